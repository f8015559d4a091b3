/**
 * The door for somebody who came by an invite: a name, and in.
 *
 * Law: the link's token goes to the server once and is then taken out of the address; what is kept is a cookie that
 * scripts cannot read.
 */
import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";

import { Act, refusalText, type Rest, RestError, type Translation } from "../ui";

export interface ArriveProps {
  readonly rest: Rest;
  readonly trans: Translation;
  readonly token: string;
  readonly onIn: () => void;
}

export function Arrive({ rest, trans, token, onIn }: ArriveProps): JSX.Element {
  const id = useId();
  const [name, setName] = useState("");
  const [trouble, setTrouble] = useState<string | null>(null);
  const enter = async (): Promise<void> => {
    if (name.trim() === "") return;
    try {
      await rest.ask("guests", "POST", { token, name: name.trim() });
      onIn();
    } catch (error) {
      const said = error instanceof RestError ? { kind: "error", level: "error", code: error.code, message: error.message } : null;
      setTrouble(said === null ? trans.__("The server does not answer; try again.") : refusalText(trans, said as never));
    }
  };
  return (
    <form
      class="jp-Novel jp-Novel-door"
      onSubmit={(event) => {
        event.preventDefault();
        void enter();
      }}
    >
      <main>
        <h1>{trans.__("You are invited to a story")}</h1>
        <label for={id}>{trans.__("What shall the others call you?")}</label>
        <input id={id} type="text" dir="auto" maxLength={60} required autocomplete="nickname" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <Act kind="accept" reason={name.trim() === "" ? trans.__("Give a name first.") : null} onDo={enter}>
          {trans.__("Come in")}
        </Act>
        {trouble === null ? null : <p role="alert">{trouble}</p>}
        <p class="jp-Novel-dim">{trans.__("You come as a guest: into this story, and nothing else on this server.")}</p>
      </main>
    </form>
  );
}
