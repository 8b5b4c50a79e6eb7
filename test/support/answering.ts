import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { type SelfSigned, selfSigned } from '../../world/pki/self-signed.ts';

const madeOnce = selfSigned();

/** A server over TLS that answers as the test says, until the test ends. */
export async function answering(listener: RequestListener, tls?: SelfSigned) {
  const { certificate, privateKey } = tls ?? (await madeOnce);
  const server = createServer({ cert: certificate, key: privateKey }, listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, certificate, port: (server.address() as AddressInfo).port };
}
