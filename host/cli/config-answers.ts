/** The answers of `kleidi config init`: from options, or from a terminal. Each is checked by the key of the schema that takes it. */
import { checkValue } from "../config/check-value.ts";
import type { Answers, Question, Template } from "../init/template.ts";
import { isOpen, QUESTIONS, questionsOf, TEMPLATES, withDefaults } from "../init/templates.ts";
import { quote } from "../lib/text.ts";
import type { Terminal } from "./ask.ts";
import { UsageError } from "./usage-error.ts";

/** The option of a question, as commander names it. */
const optionOf = ({ name }: Question) => name.replace(/-./g, ([, letter = ""]) => letter.toUpperCase());

/** @returns the template of --for; asks for it on a terminal @throws UsageError */
export async function chooseTemplate(
  name: string | undefined,
  terminal: Terminal | undefined,
): Promise<Template> {
  const names = TEMPLATES.map((template) => template.name);
  const faultOf = (answer: string) =>
    names.includes(answer) ? undefined : `expected ${names.join(", ")}, found ${quote(answer)}`;
  if (name === undefined && terminal === undefined)
    throw new UsageError(
      `Cannot write a configuration: --for is missing; give --for and one of ${names.join(", ")}`,
    );
  const prompt = `The provider: ${TEMPLATES.map(({ name, about }) => `${name} (${about})`).join(", ")}`;
  const chosen = name ?? (await terminal?.ask(prompt, "local", faultOf)) ?? "";
  const template = TEMPLATES.find((each) => each.name === chosen);
  if (template === undefined) throw new UsageError(`Cannot use --for: ${faultOf(chosen)}`);
  return template;
}

/**
 * Collects the answers of a template.
 * @param options the options of the command; those of other templates are refused
 * @param terminal asks the questions without an option; undefined: they get their defaults
 * @throws UsageError, it names each missing option, or an option with a fault
 */
export async function collectAnswers(
  template: Template,
  options: Readonly<Record<string, unknown>>,
  terminal: Terminal | undefined,
): Promise<Answers> {
  const given = givenAnswers(template, options);
  let answers = withDefaults(template, given);
  for (const question of questionsOf(template)) {
    const { name } = question;
    if (question.concerns?.(answers) === false) {
      if (given[name] !== undefined)
        throw new UsageError(`Cannot use --${name}: the other options do not need it`);
    } else if (given[name] === undefined && terminal !== undefined) {
      const answer = await terminal.ask(sentenceOf(question), question.byDefault ?? "", (text) =>
        text === "" && question.optional ? undefined : faultOf(question, text),
      );
      if (answer !== "") answers = { ...answers, [name]: answer };
    }
  }
  const missing = questionsOf(template).filter((question) => isOpen(question, answers));
  if (missing.length === 0) return answers;
  const flags = missing.map(({ name }) => `--${name}`).join(", ");
  throw new UsageError(
    `Cannot write a configuration for ${template.name}: give ${flags}, or run the command on a terminal`,
  );
}

function sentenceOf({ about, optional }: Question): string {
  const sentence = about[0]?.toUpperCase() + about.slice(1);
  return optional ? `${sentence} (may be left empty)` : sentence;
}

function givenAnswers(template: Template, options: Readonly<Record<string, unknown>>): Answers {
  const own = questionsOf(template);
  const answers: Record<string, string> = {};
  for (const { name } of QUESTIONS) {
    const question = own.find((each) => each.name === name);
    const answer = options[optionOf({ name } as Question)];
    if (typeof answer !== "string") continue;
    if (question === undefined)
      throw new UsageError(`Cannot use --${name} with --for ${template.name}: remove it`);
    const fault = faultOf(question, answer);
    if (fault !== undefined) throw new UsageError(`Cannot use --${name}: ${fault}`);
    answers[name] = answer;
  }
  return answers;
}

function faultOf({ key, oneOf }: Question, answer: string): string | undefined {
  if (oneOf !== undefined && !oneOf.includes(answer))
    return `expected ${oneOf.join(", ")}, found ${quote(answer)}`;
  // answers stand in comments too
  if (/\p{C}/u.test(answer)) return `expected printable text, found ${quote(answer)}`;
  return key === undefined ? undefined : checkValue(key, answer);
}
