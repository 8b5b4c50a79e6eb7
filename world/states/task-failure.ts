/**
 * How a task fails, as a Retry and a Catch see it: `error` is the name that ErrorEquals is compared with, `cause` the
 * text beside it (JSON, when a Lambda function failed).
 */
export class TaskFailure extends Error {
  override readonly name = 'TaskFailure';
  readonly error: string;
  override readonly cause: string | undefined;

  constructor(error: string, cause?: string) {
    super(cause === undefined ? error : `${error}: ${cause}`);
    this.error = error;
    this.cause = cause;
  }

  /** What Lambda's Node.js runtime makes of whatever a handler threw. */
  static from(thrown: unknown): TaskFailure {
    if (thrown instanceof TaskFailure) return thrown;
    if (!(thrown instanceof Error)) return lambdaFailure(typeof thrown, String(thrown), []);
    return lambdaFailure(thrown.name, thrown.message, thrown.stack?.split('\n') ?? []);
  }
}

function lambdaFailure(errorType: string, errorMessage: string, trace: string[]): TaskFailure {
  return new TaskFailure(errorType, JSON.stringify({ errorType, errorMessage, trace }));
}
