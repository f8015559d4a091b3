/**
 * Words for people, in their language.
 *
 * Law: every text of the face goes through a `Translation`, which is the part of JupyterLab's TranslationBundle that
 * we use; without JupyterLab the words stay as they are written. Numbers in texts are `%1`, `%2`, …
 */
export interface Translation {
  /** A text, with `%1`… replaced. */
  __(text: string, ...values: (string | number)[]): string;
  /** One or many: `%1` is the number, `%2`… the values. */
  _n(one: string, many: string, count: number, ...values: (string | number)[]): string;
}

function filled(text: string, values: readonly (string | number)[]): string {
  return text.replace(/%(\d)/g, (found, at: string) => String(values[Number(at) - 1] ?? found));
}

export const asWritten: Translation = {
  __: (text, ...values) => filled(text, values),
  _n: (one, many, count, ...values) => filled(count === 1 ? one : many, [count, ...values]),
};
