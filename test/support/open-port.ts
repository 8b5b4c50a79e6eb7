import { onTestFinished } from 'vitest';
import { WorldClock } from '../../world/kernel/clock.ts';
import { seededRandom } from '../../world/kernel/random.ts';
import { type ApiCall, Apis, type ApisOptions } from '../../world/wire/apis.ts';
import { Faults } from '../../world/wire/faults.ts';
import { type Control, createGateway } from '../../world/wire/listen.ts';
import type { Service } from '../../world/wire/service.ts';

interface Extras extends Partial<Pick<ApisOptions, 'clock' | 'holdOf' | 'rest'>> {
  control?: Control;
}

/** A free port with `services` behind it, closed when the test ends. */
export async function openPort(services: readonly Service[], { control, ...options }: Extras = {}) {
  const clock = options.clock ?? new WorldClock({ speed: 1 });
  const faults = new Faults();
  const heard: ApiCall[] = [];
  const onCall = (call: ApiCall) => heard.push(call);
  const apis = new Apis({ clock, random: seededRandom(1), services, faults, onCall, ...options });
  const gateway = createGateway();
  gateway.world = { clock, apis, ...(control && { control }) };
  const port = await gateway.listen(0);
  onTestFinished(() => gateway.close());
  const endpoint = `http://127.0.0.1:${port}`;
  const client = { endpoint, region: 'eu-west-1', credentials: { accessKeyId: 'x', secretAccessKey: 'y' } };
  return { gateway, port, endpoint, client, apis, clock, faults, heard };
}

/** Sends what no SDK client would. */
export async function post(endpoint: string, headers: Record<string, string>, body: string) {
  const response = await fetch(endpoint, { method: 'POST', headers, body });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
