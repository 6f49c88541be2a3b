import { managerAnswer } from "./response.ts";

/** Ends the decision on a command that is not forwarded. Thrown and caught inside the policy only. */
export class CommandRefusal {
  readonly how: { readonly denied: string } | { readonly answer: Uint8Array };

  constructor(how: CommandRefusal["how"]) {
    this.how = how;
  }
}

export const denied = (reason: string) => new CommandRefusal({ denied: reason });
export const answered = (rc: number) => new CommandRefusal({ answer: managerAnswer(rc) });
