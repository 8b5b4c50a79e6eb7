/**
 * What a person gave us cannot be used: an argument, a file, a port. The message is a whole sentence, for standard
 * error; it is mended without a stack trace.
 */
export class Unusable extends Error {
  override readonly name = 'Unusable';
  readonly exitCode: number;

  constructor(message: string, exitCode = 2, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
