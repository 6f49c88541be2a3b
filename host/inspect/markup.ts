/** The template of the page: nothing that a module says is markup, or acts on the text around it. */
import { htmlTemplate } from "../lib/html.ts";
import { escapeProse } from "../lib/text.ts";

export const html = htmlTemplate(escapeProse);
