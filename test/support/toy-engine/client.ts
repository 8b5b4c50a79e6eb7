import { ServerNotReady } from '../../../lib/errors.ts';
import { type ConfigServer, FORGOTTEN, FORGOTTEN_AT_ONCE } from '../../../services/config-servers/contract.ts';
import type { ToyServer } from './server.ts';

export function toyServer({ url }: ToyServer): ConfigServer {
  async function send(method: 'PUT' | 'DELETE', nodeName: string, body: object | null, signal: AbortSignal) {
    const content = body && { body: JSON.stringify(body) };
    const { status } = await fetch(`${url}/nodes/${nodeName}`, { method, signal, ...content });
    if (status >= 500) throw new ServerNotReady(`${url} failed (HTTP ${status}).`);
  }

  return {
    async associate({ nodeName, instance: { privateIpAddress, tags } }, signal) {
      await send('PUT', nodeName, { address: privateIpAddress, group: tags['aws:autoscaling:groupName'] }, signal);
      return { statusToken: null, certificate: null, caCertificate: null };
    },
    async confirm(_node, association) {
      return association;
    },
    async disassociate({ nodeName }, begin, signal) {
      await begin();
      await send('DELETE', nodeName, null, signal);
      return FORGOTTEN;
    },
    ...FORGOTTEN_AT_ONCE,
  };
}
