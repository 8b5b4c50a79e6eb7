import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { StandIn } from '../../../local/doubles.ts';

/** The double of the toy's server, as local/doubles.ts starts it. */
export async function startToy(): Promise<StandIn> {
  const nodes = new Map<string, unknown>();
  const server = createServer(async (request, response) => {
    const name = request.url?.split('/').at(-1) ?? '';
    if (request.method === 'PUT') nodes.set(name, JSON.parse(await text(request)));
    if (request.method === 'DELETE') nodes.delete(name);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(Object.fromEntries(nodes)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    fields: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    secrets: {},
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
