import { ServiceError } from '../../wire/service.ts';

/** EC2's own sentence for ids that nothing has. */
export function notFound(ids: readonly string[]): ServiceError {
  const sentence =
    ids.length === 1
      ? `The instance ID '${ids[0]}' does not exist`
      : `The instance IDs '${ids.join(', ')}' do not exist`;
  return new ServiceError('InvalidInstanceID.NotFound', sentence);
}

/** EC2's own sentence for what cannot be an instance's id. */
export function malformedId(id: string): ServiceError {
  const hint = id.startsWith('i-') ? '' : ' (expecting "i-...")';
  return new ServiceError('InvalidInstanceID.Malformed', `Invalid id: "${id}"${hint}`);
}

/** A page's token that no answer of ours bore. */
export function badToken(): ServiceError {
  return new ServiceError('InvalidNextToken', 'The specified NextToken is not valid.');
}
