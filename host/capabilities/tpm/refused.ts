import { managerAnswer } from "./response.ts";

/** Thrown and caught in the policy only: how a command that may not go on is told from one that may. */
export class Refused {
  readonly how: { readonly denied: string } | { readonly answer: Uint8Array };

  constructor(how: Refused["how"]) {
    this.how = how;
  }
}

export const denied = (reason: string) => new Refused({ denied: reason });
export const answered = (rc: number) => new Refused({ answer: managerAnswer(rc) });
