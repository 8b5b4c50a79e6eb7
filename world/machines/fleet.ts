import type { SimulatedNode } from './node.ts';

interface Member {
  /** Its number, in the order in which machines came. */
  readonly serial: number;
  readonly node: SimulatedNode;
}

/** Every machine that exists now, found as the services find one: by its id, or by its private address. */
export class Fleet {
  readonly #byId = new Map<string, Member>();
  readonly #byPrivateIp = new Map<string, SimulatedNode>();
  #serial = 0;

  add(node: SimulatedNode): void {
    this.#byId.set(node.instanceId, { serial: ++this.#serial, node });
    this.#byPrivateIp.set(node.machine.privateIp, node);
  }

  /** Shuts the machine down and forgets it; an id that is not here changes nothing. */
  remove(instanceId: string): void {
    const node = this.get(instanceId);
    if (!node) return;
    node.shutDown();
    this.#byId.delete(instanceId);
    // The address may already be another machine's.
    if (this.#byPrivateIp.get(node.machine.privateIp) === node) this.#byPrivateIp.delete(node.machine.privateIp);
  }

  get(instanceId: string): SimulatedNode | undefined {
    return this.#byId.get(instanceId)?.node;
  }

  getByPrivateIp(privateIp: string): SimulatedNode | undefined {
    return this.#byPrivateIp.get(privateIp);
  }

  snapshot(): { instanceId: string; isOn: boolean; isAgentUp: boolean; installed: string | null }[] {
    return [...this.#byId.values()].map(({ node: { instanceId, isOn, isAgentUp, installed } }) => ({
      instanceId,
      isOn,
      isAgentUp,
      /** The node name for which a certificate is installed. */
      installed: installed?.nodeName ?? null,
    }));
  }

  /** In the order in which they came. */
  get members(): Iterable<Member> {
    return this.#byId.values();
  }
}
