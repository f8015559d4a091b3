/**
 * A box on the page and the field behind it.
 *
 * Law: what is typed and what arrives meet in one call, never between two drawings: the box's text is set where the
 * field's changes, with the caret moved along. While an input method composes, the box is left alone, and what was
 * composed is brought together with what arrived afterwards.
 * Parts: `useField`.
 */
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useReducer, useRef } from "preact/hooks";

import { useFace } from "../face";
import { fieldsOf, type Field } from "./fields";
import { moved, rebase } from "./merge";

type Box = HTMLTextAreaElement;

const TYPING_MS = 3_000;

export interface Bound {
  readonly field: Field;
  readonly box: RefObject<Box | null>;
  readonly onInput: () => void;
  readonly onCompositionStart: () => void;
  readonly onCompositionEnd: () => void;
  readonly onFocus: () => void;
  readonly onBlur: () => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
  readonly undo: () => boolean;
}

export function useField(path: string): Bound {
  const face = useFace();
  const { session } = face;
  const field = fieldsOf(face).at(path);
  const box = useRef<Box>(null);
  const [, redraw] = useReducer((count: number, _: void) => count + 1, 0);
  /** The shown text when an input method began; null while none composes. */
  const composing = useRef<string | null>(null);
  /** Whether the browser's own undo still knows the whole text. */
  const untouched = useRef(true);
  const quiet = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const focused = useRef(false);
  const says = useRef(false);

  /** Tell the others where one is, in the server's text. */
  const show = (isTyping: boolean): void => {
    const element = box.current;
    if (element === null || !focused.current) return;
    const { local, base } = field.state;
    const [start, end] = [element.selectionStart, element.selectionEnd].map((at) => moved(at, local, base.text)) as [number, number];
    const backwards = element.selectionDirection === "backward";
    session.cursor({ target: path, position: backwards ? start : end, selection: start === end ? null : [start, end], typing: isTyping });
    says.current = isTyping;
    if (!isTyping) clearTimeout(quiet.current);
  };
  const typing = (): void => {
    show(true);
    clearTimeout(quiet.current);
    quiet.current = setTimeout(() => show(false), TYPING_MS);
  };
  const put = (text: string, move: (position: number) => number): void => {
    const element = box.current;
    if (element === null || composing.current !== null || element.value === text) return;
    const { selectionStart, selectionEnd, selectionDirection } = element;
    element.value = text;
    untouched.current = false;
    if (focused.current) element.setSelectionRange(move(selectionStart), move(selectionEnd), selectionDirection);
  };

  useLayoutEffect(() => {
    put(field.state.local, (position) => position);
    return field.subscribe(({ state, move }) => {
      put(state.local, move);
      show(says.current);
      redraw();
    });
  }, [field]);

  useEffect(() => {
    // Sooner than the key is let go, and by whatever means it moved.
    const tell = (): void => show(says.current);
    document.addEventListener("selectionchange", tell);
    return () => {
      document.removeEventListener("selectionchange", tell);
      clearTimeout(quiet.current);
      field.flush();
      if (focused.current) session.cursor({ target: "" });
    };
  }, [field]);

  const typed = (): void => {
    if (box.current === null || composing.current !== null) return;
    field.type(box.current.value);
    typing();
  };
  return {
    field,
    box,
    onInput: typed,
    onCompositionStart: () => {
      composing.current = field.state.local;
      typing();
    },
    onCompositionEnd: () => {
      const element = box.current;
      const before = composing.current;
      composing.current = null;
      if (element === null || before === null) return;
      const { text, move } = rebase(before, element.value, field.state.local);
      put(text, move);
      typed();
    },
    onFocus: () => {
      focused.current = true;
      untouched.current = true;
      show(false);
    },
    onBlur: () => {
      focused.current = false;
      clearTimeout(quiet.current);
      says.current = false;
      field.flush();
      session.cursor({ target: "" });
    },
    onKeyDown: (event) => {
      const undoes = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
      // The browser undoes what it saw being typed; once others' words came in between, that would take theirs away.
      if (undoes && !untouched.current && field.canUndo) {
        event.preventDefault();
        field.undo();
      }
    },
    undo: () => field.undo(),
  };
}
