/**
 * An operation's input after the check against the service's model: the members `Needed` are there. The SDK's own
 * types leave every member open to `undefined`.
 */
export type Input<Request, Needed extends keyof Request = never> = Request & {
  [Member in Needed]-?: NonNullable<Request[Member]>;
};

/** The double's own view of a record that others may only read. */
export type Writable<T> = { -readonly [Member in keyof T]: T[Member] };
