import { once } from 'node:events';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { alertOf, exchange, overOneSession, type Peer } from '../../../../services/config-servers/https.ts';
import { CertificateAuthority } from '../../../../world/pki/certificate-authority.ts';
import { selfSigned } from '../../../../world/pki/self-signed.ts';
import { alerting } from '../../../support/alerting.ts';
import { answering } from '../../../support/answering.ts';

const GET = { method: 'GET', path: '/', headers: {}, body: '' };
const { signal } = new AbortController();

function peer(port: number, changes: Partial<Peer> = {}): Peer {
  return { url: `https://127.0.0.1:${port}`, timeoutMilliseconds: 5_000, ...changes };
}

describe('an exchange with a server', () => {
  it('sends method, path, headers and body, and brings status, headers and text', async () => {
    const { port, certificate } = await answering(async (request, response) => {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) body += chunk;
      const { method, url, headers } = request;
      response.writeHead(201, { 'x-a': 'b' }).end(JSON.stringify([method, url, headers['x-ops'], body]));
    });
    const call = { method: 'PUT', path: '/c/d', headers: { 'X-Ops': 'e' }, body: 'Ω' };
    const answer = await exchange(peer(port, { ca: certificate, url: `https://127.0.0.1:${port}/a/` }), call, signal);
    expect(answer).toMatchObject({ status: 201, headers: { 'x-a': 'b' } });
    expect(JSON.parse(answer.text)).toEqual(['PUT', '/a/c/d', 'e', 'Ω']);
  });

  it('is on a connection of its own, and several share a TLS session', async () => {
    const { server, port, certificate } = await answering((_, response) => void response.end('answered'));
    const resumed: boolean[] = [];
    server.on('secureConnection', (socket) => resumed.push(socket.isSessionReused()));
    const own = peer(port, { ca: certificate });
    for (let call = 0; call < 2; call++) await exchange(own, GET, signal);
    expect(resumed).toEqual([false, false]);
    await overOneSession(own, async (ask) => {
      for (let call = 0; call < 3; call++) await ask(GET, signal);
    });
    expect(resumed).toEqual([false, false, false, true, true]);
  });

  it('names a certificate of the server that has expired', async () => {
    const authority = await CertificateAuthority.create('CA', new Date());
    const sixYears = 6 * 365 * 24 * 60 * 60 * 1000;
    const { certificate, privateKey } = await authority.generate('127.0.0.1', new Date(Date.now() - sixYears));
    const server = createServer({ cert: certificate, key: privateKey }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await expect(exchange(peer(port, { ca: authority.certificatePem }), GET, signal)).rejects.toMatchObject({
      name: 'ServerNotFound',
      message: expect.stringMatching(
        /^The certificate of https:\/\/127.0.0.1:\d+, .* has expired: renew it on the server\.$/,
      ),
    });
  });

  it('does not follow a redirection', async () => {
    const { port, certificate } = await answering((_, response) => {
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect(await exchange(peer(port, { ca: certificate }), GET, signal)).toMatchObject({ status: 302 });
  });
});

describe('a server that is not the one it should be', () => {
  const refused = { name: 'ServerNotFound' };

  it('is refused for a certificate of somebody else', async () => {
    const { port } = await answering((_, response) => void response.end());
    const { certificate } = await selfSigned();
    await expect(exchange(peer(port, { ca: certificate }), GET, signal)).rejects.toMatchObject(refused);
    await expect(exchange(peer(port), GET, signal)).rejects.toMatchObject(refused);
  });

  it('is refused whatever the environment says of certificates', async () => {
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    onTestFinished(() => {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    });
    const { port } = await answering((_, response) => void response.end());
    await expect(exchange(peer(port), GET, signal)).rejects.toMatchObject(refused);
  });

  it('is refused for a host that its certificate does not name, though the authority is right', async () => {
    const tls = await selfSigned('chef.example.com');
    const { port, certificate } = await answering((_, response) => void response.end(), tls);
    await expect(exchange(peer(port, { ca: certificate }), GET, signal)).rejects.toMatchObject(refused);
  });

  it('is refused when it does not speak TLS, or not HTTP', async () => {
    const plain = createPlainServer((_, response) => void response.end()).listen(0, '127.0.0.1');
    await once(plain, 'listening');
    onTestFinished(() => void plain.close());
    const { port } = plain.address() as AddressInfo;
    await expect(exchange(peer(port), GET, signal)).rejects.toMatchObject(refused);
    const { server, port: other, certificate } = await answering(() => {});
    server.removeAllListeners('secureConnection').on('secureConnection', (socket) => socket.end('220 mail\r\n'));
    await expect(exchange(peer(other, { ca: certificate }), GET, signal)).rejects.toMatchObject(refused);
  });

  it.each(['handshake_failure', 'protocol_version', 'unknown_ca'] as const)(
    'is refused when it ends the handshake for its own reason (%s)',
    async (alert) => {
      await expect(exchange(peer(await alerting(alert)), GET, signal)).rejects.toMatchObject(refused);
    },
  );

  it('is refused when it does not come to an end', async () => {
    const { port, certificate } = await answering((_, response) => void response.end('x'.repeat(1_000_001)));
    await expect(exchange(peer(port, { ca: certificate }), GET, signal)).rejects.toMatchObject(refused);
  });
});

describe('the alert of a peer', () => {
  it.each([
    [{ code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', message: '' }, 'certificate required'],
    [{ code: 'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_REVOKED', message: '' }, 'certificate revoked'],
    [{ code: 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', message: '' }, 'internal error'],
    [{ code: 'ERR_SSL_TLSV1_ALERT_USER_CANCELLED', message: '' }, 'user cancelled'],
    [{ code: 'ECONNRESET', message: 'read ECONNRESET' }, undefined],
    [undefined, undefined],
  ])('%o is read from the code after the handshake', (error, alert) => {
    expect(alertOf(error)).toBe(alert);
  });
});

describe('a server that does not answer', () => {
  const notReady = { name: 'ServerNotReady' };

  it('is not ready when nothing listens', async () => {
    const { server, port } = await answering(() => {});
    server.close();
    await once(server, 'close');
    await expect(exchange(peer(port), GET, signal)).rejects.toMatchObject(notReady);
  });

  it.each(['internal_error', 'user_canceled'] as const)(
    'is not ready when it breaks the handshake off, which says nothing about who it is (%s)',
    async (alert) => {
      await expect(exchange(peer(await alerting(alert)), GET, signal)).rejects.toMatchObject(notReady);
    },
  );

  it('is not ready when its name does not resolve', async () => {
    const nowhere = peer(0, { url: 'https://no-such-host.invalid' });
    await expect(exchange(nowhere, GET, signal)).rejects.toMatchObject(notReady);
  });

  it('is not ready when it closes the connection, before an answer or within', async () => {
    const before = await answering((request) => void request.socket.destroy());
    await expect(exchange(peer(before.port, { ca: before.certificate }), GET, signal)).rejects.toMatchObject(notReady);
    const within = await answering((_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half', () => response.destroy());
    });
    const { port, certificate } = within;
    await expect(exchange(peer(port, { ca: certificate }), GET, signal)).rejects.toMatchObject(notReady);
  });

  it('is not ready when it takes too long, to begin or to end', async () => {
    const silent = await answering(() => {});
    const options = { ca: silent.certificate, timeoutMilliseconds: 200 };
    await expect(exchange(peer(silent.port, options), GET, signal)).rejects.toMatchObject({
      ...notReady,
      message: `https://127.0.0.1:${silent.port} did not answer within 200 ms.`,
    });
    const endless = await answering((_, response) => void response.write('half'));
    await expect(exchange(peer(endless.port, options), GET, signal)).rejects.toMatchObject(notReady);
  });

  it('is left when the caller says so, before and while it works', async () => {
    const { port, certificate } = await answering(() => {});
    const options = peer(port, { ca: certificate });
    await expect(exchange(options, GET, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
    const controller = new AbortController();
    const { port: slow } = await answering(() => controller.abort());
    await expect(exchange(peer(slow, { ca: certificate }), GET, controller.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});
