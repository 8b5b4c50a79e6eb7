import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A port on loopback through which a server is reached, and with which it can be cut off. */
export interface Detour {
  readonly port: number;
  /** Nobody listens, as where a server is down. */
  close(): Promise<void>;
  open(): Promise<void>;
  /** Of the connections to come, cuts the one with this number once the server has answered on it: 1 is the next. */
  loseAnswer(connection: number): void;
}

/** Hands bytes on without reading them, so that TLS, and the client's certificate with it, stays between the two ends. */
export async function startDetour(target: number): Promise<Detour> {
  let countdown = 0;
  const sockets = new Set<Socket>();
  // Half-open sockets, because a client may say goodbye before it has read the answer.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    countdown -= 1;
    const upstream = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket
        .on('close', () => sockets.delete(socket))
        .on('error', () => {
          client.destroy();
          upstream.destroy();
        });
    }
    client.pipe(upstream);
    if (countdown === 0) swallow(client, upstream);
    else upstream.pipe(client);
  });
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    open: () => listen(port),
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
    loseAnswer(connection) {
      countdown = connection;
    },
  };
}

/** Lets nothing through but the handshake: the client's second words, its request among them, come after it. */
function swallow(client: Socket, upstream: Socket): void {
  let isHandshake = true;
  let hasServerSpoken = false;
  client.on('data', () => {
    if (hasServerSpoken) isHandshake = false;
  });
  upstream.on('data', (chunk) => {
    hasServerSpoken = true;
    if (isHandshake) client.write(chunk);
  });
  // The server closes the connection after its answer.
  upstream.on('end', () => client.destroy());
}
