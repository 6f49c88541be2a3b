/** The shape of a template of `kleidi config init`: one file for each provider, listed in templates.ts. */
import type { Path } from "../schema/text.ts";

/** One answer that a template needs. Its name is an option of the command; on a terminal the command asks for it. */
export interface Question {
  /** The long option without its dashes: "role-id". */
  readonly name: string;
  /** The placeholder in the help: "<id>". */
  readonly value: string;
  /** The help of the option and the question on a terminal, a noun phrase. */
  readonly about: string;
  /** The key of the configuration that takes the answer; the schema checks it. Absent: the template checks it. */
  readonly key?: Path;
  /** The only accepted answers, if the key of the configuration accepts more. */
  readonly oneOf?: readonly string[];
  readonly byDefault?: string;
  /** True if the question may stay unanswered. */
  readonly optional?: true;
  /** True if the question applies to these earlier answers. */
  concerns?(answers: Answers): boolean;
}

/** Name of a question → its answer. A question without an answer is absent. */
export type Answers = Readonly<Record<string, string>>;

export interface Template {
  /** The name of the provider, of its module's file, and the value of --for. */
  readonly name: string;
  /** The storage of the KEK, for the help. */
  readonly about: string;
  readonly questions: readonly Question[];
  /** The lines of the provider's own top-level section; empty if it needs none. */
  section(answers: Answers): readonly string[];
  /** The lines under `grants:`, without indentation. */
  grants(answers: Answers): readonly string[];
  /** The lines under `settings:` of the key; absent: the key needs none. */
  settings?(answers: Answers): readonly string[];
  /** The commands and actions before the first start, in order. */
  steps(answers: Answers, command: (words: string) => string): readonly string[];
}
