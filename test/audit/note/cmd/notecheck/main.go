// Command notecheck checks independently what "kleidi audit export" signs: with Go's own packages for its checksum database it opens
// the notes, computes the tree over the lines of a log, and checks the proof that one tree is a prefix of another.
//
//	notecheck open VKEY NOTE LOG...       prints the note's text if it is signed and has the root of the lines
//	notecheck witness VKEY NOTE REQUEST   prints the text of the request's note if NOTE is proved to be its prefix
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	text, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(text)
}

func run(args []string) (string, error) {
	if len(args) < 4 {
		return "", fmt.Errorf("usage: notecheck open|witness VKEY NOTE LOG...|REQUEST")
	}
	verifier, err := note.NewVerifier(args[1])
	if err != nil {
		return "", err
	}
	message, err := os.ReadFile(args[2])
	if err != nil {
		return "", err
	}
	head, err := open(message, verifier)
	if err != nil {
		return "", err
	}
	if args[0] == "witness" {
		return witness(args[3], head, verifier)
	}
	root, err := rootOf(args[3:], head.size)
	if err != nil {
		return "", err
	}
	if root != head.root {
		return "", fmt.Errorf("the root of the first %d lines is %v, the note says %v", head.size, root, head.root)
	}
	return head.text, nil
}

type treeHead struct {
	text string
	size int64
	root tlog.Hash
}

func open(message []byte, verifier note.Verifier) (treeHead, error) {
	opened, err := note.Open(message, note.VerifierList(verifier))
	if err != nil {
		return treeHead{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != verifier.Name() {
		return treeHead{}, fmt.Errorf("the text is not the origin, a size and a root: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return treeHead{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return treeHead{text: opened.Text, size: size, root: root}, err
}

func witness(request string, before treeHead, verifier note.Verifier) (string, error) {
	body, err := os.ReadFile(request)
	if err != nil {
		return "", err
	}
	top, message, _ := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(top), "\n")
	if lines[0] != fmt.Sprintf("old %d", before.size) {
		return "", fmt.Errorf("the request begins with %q, the size before is %d", lines[0], before.size)
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return "", fmt.Errorf("%q is not a hash", line)
		}
		proof = append(proof, tlog.Hash(hash))
	}
	head, err := open(message, verifier)
	if err != nil {
		return "", err
	}
	return head.text, tlog.CheckTree(proof, head.size, head.root, before.size, before.root)
}

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		found = append(found, h[index])
	}
	return found, nil
}

func rootOf(files []string, size int64) (tlog.Hash, error) {
	var stored hashes
	count := int64(0)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return tlog.Hash{}, err
		}
		for _, line := range bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
			more, err := tlog.StoredHashes(count, line, stored)
			if err != nil {
				return tlog.Hash{}, err
			}
			stored = append(stored, more...)
			if count++; count == size {
				return tlog.TreeHash(size, stored)
			}
		}
	}
	return tlog.Hash{}, fmt.Errorf("the files have %d lines, the note is over %d", count, size)
}
