import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { onTestFinished } from 'vitest';

/** Fatal alerts by their numbers. Source: RFC 8446, section 6. */
export const ALERTS = {
  handshake_failure: 40,
  bad_certificate: 42,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  unknown_ca: 48,
  protocol_version: 70,
  internal_error: 80,
  user_canceled: 90,
} as const;

/** A server that answers every handshake with a fatal alert, until the test ends. @returns its port */
export async function alerting(alert: keyof typeof ALERTS): Promise<number> {
  const record = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, ALERTS[alert]]);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(record));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}
