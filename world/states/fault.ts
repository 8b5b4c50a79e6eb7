/**
 * What ends an execution at once, whatever the state's Retry and Catch say: a path that leads nowhere, a result that
 * cannot be put where it belongs, more data than a state may hold.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  /** The name that the execution fails with. */
  readonly error: string;

  constructor(message: string, error = 'States.Runtime') {
    super(message);
    this.error = error;
  }
}
