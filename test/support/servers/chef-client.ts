import { type Answer, exchange } from '../../../services/config-servers/https.ts';
import { signByChef } from './chef-signer.ts';

const { signal } = new AbortController();

/** Makes requests as a Chef client does, signed by Chef's own signer, and answers what the server said. */
export function chefClient(
  { url, certificate }: { readonly url: string; readonly certificate: string },
  { clientName, privateKey }: { readonly clientName: string; readonly privateKey: string },
) {
  return async (method: string, path: string, content?: object): Promise<Answer & { readonly body: unknown }> => {
    const body = content ? JSON.stringify(content) : '';
    const request = { method, path, body, timestamp: new Date(), userId: clientName, apiVersion: '1' };
    const [signature = {}] = signByChef(privateKey, [{ ...request, version: '1.3' }]);
    const headers = { ...signature, Accept: 'application/json', 'X-Ops-Server-API-Version': request.apiVersion };
    const peer = { url, ca: certificate, timeoutMilliseconds: 10_000 };
    const answer = await exchange(peer, { method, path, headers, body }, signal);
    return { ...answer, body: JSON.parse(answer.text) };
  };
}
