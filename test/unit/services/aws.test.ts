import { describe, expect, it } from 'vitest';
import { calling } from '../../../services/aws.ts';

/** What becomes of a call that AWS answers with an error of this name. */
async function translationOf(name: string, message = 'as AWS says it'): Promise<Error> {
  const cause = Object.assign(new Error(message), { name, $fault: 'client', $metadata: { attempts: 1 } });
  return calling('list the instances of EC2', () => Promise.reject(cause)).then(
    () => expect.unreachable(),
    (error: Error) => error,
  );
}

describe('a call that AWS refuses', () => {
  it.each(['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation', 'AuthFailure'])(
    'by %s is to be allowed in the role',
    async (name) => {
      const error = await translationOf(name);
      expect(error.name).toBe('PermissionDenied');
      expect(error.message).toMatch(
        new RegExp(`^Could not list the instances of EC2: ${name}\\. Allow it in the function's role \\(resources/`),
      );
    },
  );

  it.each([
    'UnauthenticatedException',
    'UnrecognizedClientException',
    'InvalidClientTokenId',
    'ExpiredToken',
    'ExpiredTokenException',
  ])("by %s is one of the function's credentials, which no permission mends", async (name) => {
    const error = await translationOf(name);
    expect(error.name).toBe('PermissionDenied');
    expect(error.message).toBe(
      `Could not list the instances of EC2: AWS does not accept the function's credentials (${name}). Lambda gets them ` +
        'from its role: see that the role is there, then deploy again.',
    );
  });

  it('by OptInRequired is one of the account', async () => {
    const error = await translationOf('OptInRequired');
    expect(error.name).toBe('PermissionDenied');
    expect(error.message).toBe(
      'Could not list the instances of EC2: this account is not signed up for the service, or the Region is not enabled ' +
        '(OptInRequired).',
    );
  });

  it.each([
    'Throttling',
    'ThrottlingException',
    'ThrottledException',
    'TooManyRequestsException',
    'RequestLimitExceeded',
    'RequestThrottled',
    'ProvisionedThroughputExceededException',
  ])('as one of too many is throttled: %s', async (name) => {
    const error = await translationOf(name);
    expect(error.name).toBe('Throttled');
    expect(error.message).toBe(`Could not list the instances of EC2: the service throttled the call (${name}).`);
  });

  it.each(['service', 'resource'])(
    'by a %s control policy names the organization, which no role lifts',
    async (kind) => {
      const denial = `User: x is not authorized to perform: y with an explicit deny in a ${kind} control policy`;
      const error = await translationOf('AccessDeniedException', denial);
      expect(error.name).toBe('PermissionDenied');
      expect(error.message).toBe(
        "Could not list the instances of EC2: AccessDeniedException: a policy of the organization denies it, whatever the function's " +
          "role allows. Have the organization's administrators allow it for this account.",
      );
    },
  );

  it.each(['LimitExceededException', 'LimitExceeded', 'VcpuLimitExceeded', 'ServiceQuotaExceededException'])(
    'by %s is a quota of the account',
    async (name) => {
      const error = await translationOf(name);
      expect(error.name).toBe('QuotaExceeded');
      expect(error.message).toBe(
        `Could not list the instances of EC2: a quota of this account is used up (${name}: "as AWS says it"). Have it raised ` +
          'in Service Quotas, or remove what is not needed.',
      );
    },
  );

  it.each([
    'AccountSetupInProgressException',
    'RegionSetupInProgressException',
    'OperationFailureException',
    'ResourceContention',
    'ResourceContentionFault',
    'IncorrectInstanceState',
    'IncorrectState',
    'ExecutionLimitExceeded',
  ])('by %s may be done later', async (name) => {
    const error = await translationOf(name);
    expect(error.name).toBe('ServiceUnavailable');
    expect(error.message).toBe(
      `Could not list the instances of EC2: the service cannot do it now (${name}: "as AWS says it").`,
    );
  });

  it.each([
    ['with a 500', { $metadata: { httpStatusCode: 500 } }],
    ['with a 503', { $metadata: { httpStatusCode: 503 } }],
    ['by no answer within the time', { name: 'TimeoutError', $metadata: {} }],
    ['by a broken connection', { name: 'Error', code: 'ECONNRESET' }],
    ['with what is no answer of the service', { name: 'SyntaxError' }, SyntaxError],
  ])('%s is an outage', async (_how, fields, Kind = Error) => {
    const cause = Object.assign(new Kind('as it comes'), { name: 'SomethingElse', ...fields });
    const failed = calling('list the instances of EC2', () => Promise.reject(cause));
    await expect(failed).rejects.toMatchObject({ name: 'ServiceUnavailable', cause });
  });

  it('for a reason of its own stays as it is', async () => {
    expect(await translationOf('ResourceNotFoundException')).toMatchObject({ message: 'as AWS says it' });
    const cause = Object.assign(new Error('No.'), {
      name: 'ResourceNotFoundException',
      $metadata: { httpStatusCode: 404 },
    });
    await expect(calling('list', () => Promise.reject(cause))).rejects.toBe(cause);
  });
});
