import { ACCOUNT_ID, REGION } from '../../kernel/account.ts';
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

/** IAM's refusal of an operation whose condition the instance does not meet. */
export function unauthorized(operation: string, instanceId: string): ServiceError {
  const resource = `arn:aws:ec2:${REGION}:${ACCOUNT_ID}:instance/${instanceId}`;
  const sentence = `You are not authorized to perform this operation. User: arn:aws:sts::${ACCOUNT_ID}:assumed-role/local/local is not authorized to perform: ec2:${operation} on resource: ${resource} because no identity-based policy allows the ec2:${operation} action`;
  return new ServiceError('UnauthorizedOperation', sentence, 403);
}
