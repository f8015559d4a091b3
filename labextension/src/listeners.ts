/**
 * Whoever wants to be told.
 *
 * Law: a listener that throws is shown as an uncaught error, and hinders neither the others nor the teller.
 */
export class Listeners<T> {
  readonly #all = new Set<(value: T) => void>();

  /** The result takes the listener out again. */
  add(listener: (value: T) => void): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  tell(value: T): void {
    for (const listener of [...this.#all]) {
      try {
        listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
