/** The HTML template of the page. Text from a module never becomes markup, and never affects the text around it. */
import { htmlTemplate } from "../lib/html.ts";
import { escapeProse } from "../lib/text.ts";

export const html = htmlTemplate(escapeProse);
