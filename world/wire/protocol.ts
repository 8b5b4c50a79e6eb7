import type { Answer } from './answer.ts';
import type { ServiceError } from './service.ts';

/** How one service speaks: requests to checked input, outputs and refusals to answers. */
export interface Protocol {
  /**
   * The operation's input, typed and checked as the service does it.
   * @throws ServiceError the service's own refusal
   */
  read(operation: string, body: string): unknown;
  /** @throws TypeError when `output` is not what the service's model says */
  answer(operation: string, output: unknown, requestId: string): Answer;
  refuse(error: ServiceError, requestId: string): Answer;
  /** The refusal of an operation that is not served; `why` is a sentence. */
  unknownOperation(operation: string, why: string): ServiceError;
  /** The service's own name for "too many requests", and its HTTP status. */
  readonly throttling: { readonly code: string; readonly statusCode: number };
}
