import { ServiceError } from '../../wire/service.ts';

/** `The Instance does not exist: blog-1` */
export function notFound(kind: 'Instance' | 'Operation', name: string): ServiceError {
  return new ServiceError('NotFoundException', `The ${kind} does not exist: ${name}`, 404);
}

/** What was asked for is not possible, whatever the state of things. */
export function invalidInput(sentence: string): ServiceError {
  return new ServiceError('InvalidInputException', sentence);
}

/** What was asked for is not possible in the state in which the instance is. */
export function failure(name: string, reason: string): ServiceError {
  return new ServiceError('OperationFailureException', `The instance ${name} ${reason}.`);
}
