/**
 * How wide a picture may be.
 *
 * Law: a picture is laid out for the width that it has, so that its letters keep their size; until it is measured, and
 * where nothing measures, it has a usual width.
 * Parts: `useWidth`.
 */
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export const USUAL_WIDTH = 560;
const NARROWEST = 240;

/** Put the reference on the element whose width counts. */
export function useWidth<T extends HTMLElement>(): [RefObject<T | null>, number] {
  const element = useRef<T>(null);
  const [width, setWidth] = useState(USUAL_WIDTH);
  useEffect(() => {
    const { current } = element;
    if (current === null) return;
    const measure = (): void => {
      if (current.clientWidth > 0) setWidth(Math.max(NARROWEST, current.clientWidth));
    };
    measure();
    if (typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}
