# The image of kleidí: the tree that `npm run dist` makes, Node, and the programs of the wall, without a shell. See docs/image.md.
#
#   buildah build --timestamp 0 --build-arg NODE=NAME@sha256:… --file Dockerfile --tag kleidi dist/kleidi-VERSION-linux-x64
#
# NODE is an image of Debian 13 with Node 26, libatomic1 and binutils, named by its digest. It gives Node, setpriv, prlimit, choom and
# their libraries; nothing else of it is in the image.
ARG NODE
FROM ${NODE} AS files
COPY . /image/opt/kleidi
RUN set -eu; \
    cd /image; \
    # Node and the programs come from the base alone, so that the base's updates are the image's.
    rm -rf opt/kleidi/node_modules/node-linux-*; \
    mkdir -p usr/local/bin usr/bin etc/kleidi var/lib/kleidi var/log/kleidi run/kleidi; \
    strip -o usr/local/bin/node "$(command -v node)"; \
    for program in setpriv prlimit choom; do cp "/usr/bin/$program" usr/bin; done; \
    # The loader looks a library up under the path that ldd prints, which can be a link.
    for program in usr/local/bin/node usr/bin/*; do ldd "$program"; done | grep -o '/[^ ]*' | sort -u >/libraries; \
    while read -r library; do \
      mkdir -p ".${library%/*}"; cp -L "$library" ".$library"; \
    done </libraries; \
    # A scanner finds Debian's packages here, and a reader their licences.
    mkdir -p var/lib/dpkg/status.d; \
    { echo /usr/bin/setpriv; xargs readlink -f </libraries; } | xargs dpkg -S | cut -d: -f1 | sort -u >/packages; \
    while read -r package; do \
      dpkg-query --status "$package" >"var/lib/dpkg/status.d/$package"; \
      mkdir -p "usr/share/doc/$package"; cp -L "/usr/share/doc/$package/copyright" "usr/share/doc/$package/"; \
    done </packages; \
    cp -L /etc/os-release etc/; \
    echo 'kleidi:x:65532:65532:kleidi:/:/usr/sbin/nologin' >etc/passwd; \
    printf 'root:x:0:\nkleidi:x:65532:\nkleidi-socket:x:65533:\n' >etc/group; \
    find . -type d -exec chmod 0755 '{}' +

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kleidi" \
      org.opencontainers.image.description="KMS v2 plugin host for Kubernetes: every provider is a sandboxed WebAssembly module" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=files /image /
ENV PATH=/usr/local/bin:/usr/bin MALLOC_ARENA_MAX=1
USER 65532:65532
# The same flags and arenas as host/kleidi.
ENTRYPOINT ["/usr/local/bin/node", "--disable-sigusr1", "--max-semi-space-size=4", "--max-old-space-size=128", "/opt/kleidi/host/main.js"]
CMD ["serve"]
