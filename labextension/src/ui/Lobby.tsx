/**
 * One's sessions, and the beginning of a new one.
 *
 * Law: what the server lists is shown; a session that was just begun is opened at once, with its agents running if this
 * server may run them.
 * Parts: `Lobby`, `NewStory`.
 */
import type { JSX } from "preact";
import { useCallback, useEffect, useId, useState } from "preact/hooks";

import { Act } from "./Act";
import { Elsewhere, pageElsewhere } from "./Elsewhere";
import { RestError, type Rest } from "./rest";
import type { Settings } from "./state";
import type { Translation } from "./translate";

export interface Listed {
  readonly session_id: string;
  readonly story: string;
  readonly title: string;
  readonly status: "open" | "ended" | "archived";
  readonly last_activity: string;
  readonly members: number;
}

export interface StoryFile {
  readonly name: string;
  readonly title: string;
  readonly premise: string;
  readonly characters: readonly { readonly id: string; readonly name: string; readonly playable: boolean }[];
}

export interface LobbyProps {
  readonly rest: Rest;
  readonly trans: Translation;
  readonly onOpen: (sessionId: string) => void;
}

export function Lobby({ rest, trans, onOpen }: LobbyProps): JSX.Element {
  const [sessions, setSessions] = useState<readonly Listed[] | null>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [elsewhere, setElsewhere] = useState<string | null>(null);
  const failed = useCallback(
    async (error: unknown) => {
      const page = await pageElsewhere(rest, error);
      setElsewhere(page);
      setTrouble(page !== null ? null : error instanceof Error ? error.message : String(error));
    },
    [rest],
  );
  const load = async (from: string | null): Promise<void> => {
    try {
      const query = from === null ? "" : `&cursor=${encodeURIComponent(from)}`;
      const page = await rest.ask<{ sessions: Listed[]; cursor: string | null }>(`sessions?limit=50${query}`);
      setSessions((before) => (from === null ? page.sessions : [...(before ?? []), ...page.sessions]));
      setCursor(page.cursor);
    } catch (error) {
      await failed(error);
    }
  };
  useEffect(() => {
    void load(null);
  }, [rest]);
  if (elsewhere !== null) {
    return (
      <div class="jp-Novel jp-Novel-lobby">
        <main>
          <h1>{trans.__("Story sessions")}</h1>
          <Elsewhere page={elsewhere} trans={trans} />
        </main>
      </div>
    );
  }
  return (
    <div class="jp-Novel jp-Novel-lobby">
      <main>
        <h1>{trans.__("Story sessions")}</h1>
        {trouble === null ? null : (
          <p class="jp-Novel-banner jp-mod-error" role="alert">
            {trouble}
          </p>
        )}
        <NewStory rest={rest} trans={trans} onOpen={onOpen} />
        <section aria-label={trans.__("Your sessions")}>
          <h2>{trans.__("Your sessions")}</h2>
          {sessions?.length === 0 ? <p class="jp-Novel-dim">{trans.__("None yet: begin one above, or open a link that somebody gave you.")}</p> : null}
          <ul>
            {(sessions ?? []).map((session) => (
              <li key={session.session_id}>
                <Act kind="quiet" onDo={() => onOpen(session.session_id)}>
                  <strong dir="auto">{session.title}</strong>{" "}
                  <span class="jp-Novel-dim">
                    {trans._n("%1 person", "%1 people", session.members)} · {new Date(session.last_activity).toLocaleString()}
                    {session.status === "open" ? "" : ` · ${session.status === "ended" ? trans.__("ended") : trans.__("archived")}`}
                  </span>
                </Act>
              </li>
            ))}
          </ul>
          {cursor === null ? null : <Act onDo={() => load(cursor)}>{trans.__("More")}</Act>}
        </section>
      </main>
    </div>
  );
}

/** Begin a story: the session is made, its agents are started, and it is opened. */
export async function begin(rest: Rest, story: string, settings: Partial<Settings>): Promise<string> {
  const { session_id } = await rest.ask<{ session_id: string }>("sessions", "POST", { story, settings });
  return session_id;
}

/** Start the agents, if this server may; where it may not, the story says who can. */
export async function startAgents(rest: Rest, sessionId: string): Promise<void> {
  try {
    await rest.ask(`sessions/${sessionId}/host`, "POST", {});
  } catch (error) {
    if (!(error instanceof RestError)) throw error;
  }
}

export function NewStory({ rest, trans, onOpen }: LobbyProps): JSX.Element {
  const id = useId();
  const [stories, setStories] = useState<readonly StoryFile[]>([]);
  const [story, setStory] = useState("");
  const [policy, setPolicy] = useState<Settings["turn_policy"]>("round");
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => {
    rest
      .ask<{ stories: StoryFile[] }>("stories")
      .then(({ stories: found }) => {
        setStories(found);
        setStory((before) => before || (found[0]?.name ?? ""));
      })
      .catch((error: Error) => setTrouble(error.message));
  }, [rest]);
  const chosen = stories.find(({ name }) => name === story);
  const go = async (): Promise<void> => {
    try {
      const sessionId = await begin(rest, story, { turn_policy: policy });
      void startAgents(rest, sessionId);
      onOpen(sessionId);
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <section class="jp-Novel-new" aria-label={trans.__("Begin a story")}>
      <h2>{trans.__("Begin a story")}</h2>
      <div class="jp-Novel-row">
        <label for={`${id}-story`}>{trans.__("Story")}</label>
        <select id={`${id}-story`} value={story} onChange={(event) => setStory(event.currentTarget.value)}>
          {stories.map(({ name, title }) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
        <label for={`${id}-policy`}>{trans.__("A turn is locked")}</label>
        <select id={`${id}-policy`} value={policy} onChange={(event) => setPolicy(event.currentTarget.value as Settings["turn_policy"])}>
          <option value="round">{trans.__("when everybody is ready")}</option>
          <option value="vote">{trans.__("by vote")}</option>
          <option value="immediate">{trans.__("at the first proposal")}</option>
        </select>
        <Act kind="accept" reason={story === "" ? trans.__("Choose a story first.") : null} onDo={go}>
          {trans.__("Begin")}
        </Act>
      </div>
      {chosen === undefined ? null : (
        <p class="jp-Novel-premise" dir="auto">
          {chosen.premise} <span class="jp-Novel-dim">{chosen.characters.map(({ name }) => name).join(", ")}</span>
        </p>
      )}
      {trouble === null ? null : <p role="alert">{trouble}</p>}
    </section>
  );
}
