import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { calling, clientOptions } from '../../../services/aws.ts';

let server: Server | undefined;
afterEach(() => {
  vi.restoreAllMocks();
  server?.closeAllConnections();
  server?.close();
});

const ANSWER = '{"SecretString":"a secret","Name":"muster/x"}';

/** A service that leaves its first `count` requests without an answer, and a client of it with a tenth of a second. */
async function hanging(count: number) {
  const asked: number[] = [];
  server = createServer((request, response) => {
    asked.push(performance.now());
    request.resume();
    if (asked.length > count) response.setHeader('content-type', 'application/x-amz-json-1.1').end(ANSWER);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const client = new SecretsManagerClient({
    ...clientOptions,
    requestHandler: { ...clientOptions.requestHandler, requestTimeout: 100 },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const read = () => calling('read muster/x', () => client.send(new GetSecretValueCommand({ SecretId: 'muster/x' })));
  return { asked, read };
}

describe('an answer that does not come', () => {
  it('is cut off and asked for again', async () => {
    const { asked, read } = await hanging(1);
    expect(await read()).toMatchObject({ SecretString: 'a secret' });
    expect(asked).toHaveLength(2);
  });

  it('is asked for three times, and is "not yet" then', async () => {
    const warnings = vi.spyOn(console, 'warn');
    const { asked, read } = await hanging(Number.POSITIVE_INFINITY);
    await expect(read()).rejects.toMatchObject({
      name: 'ServiceUnavailable',
      message: 'Could not read muster/x: the service failed or was out of reach (TimeoutError).',
    });
    expect(asked).toHaveLength(3);
    // Lines of a library's own would not be JSON.
    expect(warnings).not.toHaveBeenCalled();
  });
});
