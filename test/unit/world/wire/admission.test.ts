/** Requests that no client library would send, over raw sockets. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { openPort } from '../../../support/open-port.ts';

/** The answer to one request, with the connection closed after it. */
async function send(port: number, lines: readonly string[], body = ''): Promise<{ status: number; text: string }> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.end([...lines, 'Connection: close', `Content-Length: ${body.length}`, '', body].join('\r\n'));
  await once(socket, 'close');
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text };
}

async function open() {
  const calls: string[] = [];
  const control = (method: string, path: string) => {
    calls.push(`${method} ${path}`);
    return { status: 200, body: { reached: true } };
  };
  return { ...(await openPort([], { control })), calls };
}

describe('The Host header', () => {
  it.each(['127.0.0.1', 'localhost', 'LocalHost', '[::1]'])('may be %s with the port', async (name) => {
    const { port, calls } = await open();
    expect(await send(port, ['GET /_local/world HTTP/1.1', `Host: ${name}:${port}`])).toMatchObject({ status: 200 });
    expect(calls).toEqual(['GET /_local/world']);
  });

  it.each([
    ['a name that an attacker points at 127.0.0.1', () => 'rebound.example.com'],
    ['such a name with the port', (port: number) => `rebound.example.com:${port}`],
    ['a name that begins with an own one', (port: number) => `localhost.example.com:${port}`],
    ['an own name without the port', () => 'localhost'],
    ['an own name with another port', (port: number) => `127.0.0.1:${port + 1}`],
    ['another loopback address', (port: number) => `127.0.0.2:${port}`],
    ['the unspecified address', (port: number) => `0.0.0.0:${port}`],
    ['nothing', () => ''],
  ])('is refused when it is %s', async (_what, host) => {
    const { port, calls } = await open();
    const answer = await send(port, ['PUT /_local/faults HTTP/1.1', `Host: ${host(port)}`], '[]');
    expect(answer).toMatchObject({ status: 403, text: expect.stringContaining(`Use 127.0.0.1:${port}`) });
    expect(calls).toEqual([]);
  });

  it('is refused for the APIs as well', async () => {
    const { port, heard } = await open();
    const lines = ['POST / HTTP/1.1', 'Host: rebound.example.com', 'X-Amz-Target: AWSEvents.PutEvents'];
    expect(await send(port, lines, '{}')).toMatchObject({ status: 403 });
    expect(heard).toEqual([]);
  });
});

describe('The Origin header', () => {
  const ask = (port: number, origin: string) =>
    send(port, ['POST /_local/launch HTTP/1.1', `Host: 127.0.0.1:${port}`, `Origin: ${origin}`], '{}');

  it.each(['127.0.0.1', 'localhost', '[::1]'])("may be the port's own: %s", async (name) => {
    const { port } = await open();
    expect(await ask(port, `http://${name}:${port}`)).toMatchObject({ status: 200 });
  });

  it.each([
    () => 'https://example.com',
    () => 'null',
    () => 'http://localhost',
    (port: number) => `http://localhost:${port + 1}`,
    (port: number) => `https://localhost:${port}`,
    (port: number) => `http://localhost:${port}.example.com`,
  ])('is refused when it is foreign: %s', async (origin) => {
    const { port, calls } = await open();
    const answer = await ask(port, origin(port));
    expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('may not call the local world') });
    expect(calls).toEqual([]);
  });
});

describe('A malformed target', () => {
  it.each(['/%zz', '/_local/%', '//', '//example.com/_local/world', '/\\example.com', 'http://example.com/', '*', 'x'])(
    'is refused, and the port serves on: %s',
    async (target) => {
      const { port, calls } = await open();
      const answer = await send(port, [`GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`]);
      expect(answer.status).toBe(400);
      expect(calls).toEqual([]);
      expect(await send(port, ['GET /_local/world HTTP/1.1', `Host: 127.0.0.1:${port}`])).toMatchObject({
        status: 200,
      });
    },
  );
});
