/** Every template of `kleidi config init`. To add one, write its file and add it here. */
import { aws } from "./aws.ts";
import { azure } from "./azure.ts";
import { gcp } from "./gcp.ts";
import { local } from "./local.ts";
import { pkcs11 } from "./pkcs11.ts";
import type { Answers, Question, Template } from "./template.ts";
import { tpm } from "./tpm.ts";
import { vault } from "./vault.ts";

export const TEMPLATES: readonly Template[] = [local, tpm, vault, aws, gcp, azure, pkcs11];

/** The questions that every template shares. */
const SHARED: readonly Question[] = [
  {
    name: "key",
    value: "<name>",
    about: "the name of the first key, which can never be used for another key",
    key: ["keys", 0, "name"],
  },
  {
    name: "socket",
    value: "<path>",
    about: "the socket for the API server",
    key: ["listen", "socket"],
    byDefault: "/run/kleidi/kms.sock",
  },
  {
    name: "group",
    value: "<name>",
    about: "the group that may connect to the socket; none for the host's user only",
    key: ["listen", "group"],
    optional: true,
  },
];

/** The questions of a template, in the order in which they are asked. */
export const questionsOf = ({ questions }: Template): readonly Question[] => [...SHARED, ...questions];

/** The questions of all templates, each name once. */
export const QUESTIONS: readonly Question[] = [
  ...new Map(TEMPLATES.flatMap(questionsOf).map((question) => [question.name, question])).values(),
];

/** @returns true if a question must be answered: it is not optional, has no default, and applies to the answers so far */
export function isOpen(question: Question, answers: Answers): boolean {
  return (
    answers[question.name] === undefined &&
    question.byDefault === undefined &&
    !question.optional &&
    question.concerns?.(answers) !== false
  );
}

/** Adds the defaults of a template's questions to the given answers. */
export function withDefaults(template: Template, answers: Answers): Answers {
  const defaults = questionsOf(template).flatMap(({ name, byDefault }) =>
    byDefault === undefined ? [] : [[name, byDefault] as const],
  );
  return { ...Object.fromEntries(defaults), ...answers };
}
