/** Something that shows a world while it is played. */
export interface View {
  /** Shows the last state of things, and no more after that. */
  end(): void | Promise<void>;
}
