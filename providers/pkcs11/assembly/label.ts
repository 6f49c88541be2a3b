/** The label of a key on its token, from the key's settings. */
import { Setting } from "../../../sdk/assemblyscript/assembly";

export class Label {
  constructor(
    public text: string,
    /** The fault in the settings; "" if there is none. */
    public fault: string = "",
  ) {}
}

export function labelOf(key: string, settings: Setting[]): Label {
  let label = key;
  for (let i = 0; i < settings.length; i++) {
    const name = settings[i].name;
    if (name !== "label")
      return new Label("", `Cannot use the key: there is no setting "${name}"; "label" is the only one`);
    label = settings[i].value;
  }
  return new Label(label);
}
