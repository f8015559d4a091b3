/**
 * What people say to each other beside the story, and about its passages.
 *
 * Law: the latest messages that the state keeps, the oldest first; a draft survives a reload; a comment says which
 * passage it is about and leads to it.
 */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { Act } from "./Act";
import { useDraft } from "./drafts";
import { useCommand, useFace, useMe, useStory } from "./face";
import type { Passage } from "./Narrative";
import { TypingAt, useTyping } from "./presence/typing";
import { barred } from "./rights";
import { personName } from "./state";

export interface ChatProps {
  readonly about: Passage | null;
  readonly onAbout: (passage: Passage | null) => void;
  readonly onJump: (node: number) => void;
}

export function Chat({ about, onAbout, onJump }: ChatProps): JSX.Element {
  const { session, trans } = useFace();
  const me = useMe();
  const send = useCommand();
  const state = useStory((all) => all);
  const [text, setText] = useDraft("chat");
  const typing = useTyping("/chat");
  const list = useRef<HTMLOListElement>(null);
  const input = useRef<HTMLTextAreaElement>(null);
  const messages = Object.entries(state.chat).sort(([a], [b]) => Number(a) - Number(b));
  const reason = barred(trans, state, me, "chat");

  useLayoutEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [messages.length]);
  useEffect(() => {
    if (about !== null) input.current?.focus();
  }, [about]);

  const say = async (): Promise<void> => {
    const words = text.trim();
    if (words === "" || reason !== null) return;
    const anchor =
      about === null ? null : { target: about.target, position: about.selection[0], selection: [...about.selection] as [number, number] };
    setText("");
    typing.here();
    onAbout(null);
    const settled = await send(session.say(words, anchor));
    if (settled === null || settled.result.kind === "error") setText(words);
  };

  return (
    <section class="jp-Novel-chat" aria-label={trans.__("Talk")}>
      <ol ref={list} tabIndex={0} aria-label={trans.__("What was said")}>
        {messages.length === 0 ? <li class="jp-Novel-dim">{trans.__("Nobody has said anything yet.")}</li> : null}
        {messages.map(([id, entry]) => {
          const node = /\/chronicle\/(\d+)\//.exec(entry.anchor?.target ?? "")?.[1];
          return (
            <li key={id} class={entry.user_id === me ? "jp-mod-mine" : ""}>
              <strong dir="auto">{personName(state, entry.user_id, trans.__("kernel"))}</strong>
              {entry.at === undefined ? null : <time dateTime={entry.at}>{clock(entry.at)}</time>}
              {node === undefined ? null : (
                <Act kind="quiet" onDo={() => onJump(Number(node))}>
                  {trans.__("on turn %1", state.turns[node]?.number ?? "?")}
                </Act>
              )}
              <p dir="auto">{entry.text}</p>
            </li>
          );
        })}
      </ol>
      {about === null ? null : (
        <p class="jp-Novel-about">
          <q dir="auto">{about.words.length > 80 ? `${about.words.slice(0, 80)}…` : about.words}</q>
          <Act kind="quiet" name={trans.__("Not about this passage")} onDo={() => onAbout(null)}>
            ✕
          </Act>
        </p>
      )}
      <TypingAt target="/chat" />
      <div class="jp-Novel-say" data-novel-target="/chat">
        <textarea
          ref={input}
          rows={2}
          dir="auto"
          value={text}
          maxLength={2000}
          aria-label={trans.__("Say something to the others")}
          placeholder={reason ?? trans.__("Say something to the others")}
          readOnly={reason !== null}
          onInput={(event) => {
            setText(event.currentTarget.value);
            typing.typed(event.currentTarget.selectionStart);
          }}
          onFocus={typing.here}
          onBlur={typing.left}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void say();
          }}
        />
        <Act reason={reason ?? (text.trim() === "" ? trans.__("Write something first.") : null)} onDo={say}>
          {trans.__("Send")}
        </Act>
      </div>
    </section>
  );
}

function clock(at: string): string {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
