import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConfigServer, Node } from '../../services/config-servers/contract.ts';
import { type ProvedNode, recordedAs } from './make-node.ts';

/** One server of an engine, and the hands to make it ready, busy or hopeless. */
export interface Stage {
  readonly server: ConfigServer;
  /** The same engine under a name or an address where no server is. */
  readonly unknownServer: ConfigServer;
  /** The server to somebody whose credentials it does not take. */
  readonly asStranger: () => Promise<ConfigServer>;
  /** A node with a key of its own: each call makes another key. */
  readonly makeNode: (nodeName: string) => Promise<ProvedNode>;
  /** What the server has now. */
  readonly managedNodes: () => Promise<readonly string[]>;
  /** Lets the server finish what it has begun. */
  readonly settle: () => Promise<void>;
  /** It cannot take nodes now; with `makeReady` it can again. */
  readonly makeBusy: () => Promise<void>;
  readonly makeReady: () => Promise<void>;
  /** The next answer to an association is lost after the server has done its work. */
  readonly loseAnswer: () => Promise<void>;
  /** It will never take nodes again. For engines that can say so of themselves. */
  readonly makeHopeless?: () => Promise<void>;
  /** It refuses the next calls for their rate, more than the client itself rides out. For engines that have one. */
  readonly throttle?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface Harness {
  readonly start: () => Promise<Stage>;
  /** The errors with which the engine says "not ready". */
  readonly notReady: readonly string[];
  /** Whether `confirm` brings a certificate for the node's key. */
  readonly issuesCertificates: boolean;
  /** Whether an association is final only some time after it was taken. */
  readonly takesTime: boolean;
  /** Whether the server shows the key that it has, so that another's can be told from the node's. */
  readonly showsKey: boolean;
  /** Whether the stage has `makeHopeless`. */
  readonly canBeHopeless: boolean;
  /** Whether the stage has `throttle`. */
  readonly hasRate: boolean;
}

const { signal } = new AbortController();
const begin = async () => {};

/** Node names as the control plane gives them, because a server's own rules may take no others. */
const nodeNames = (function* () {
  for (let count = 1; ; count++) yield `i-${count.toString(16).padStart(17, '0')}`;
})();

/** What every configuration server does for a node, whatever its engine: services/config-servers/contract.ts. */
export function describeConfigServer(name: string, harness: Harness): void {
  describe(`${name}, as a configuration server,`, () => {
    let stage: Stage;
    beforeAll(async () => {
      stage = await harness.start();
    });
    afterAll(() => stage.close());

    const freshNode = () => stage.makeNode(nodeNames.next().value);

    /** Associates and waits until it is final. */
    async function enrol(node: Node) {
      const association = await stage.server.associate(node, signal);
      await stage.settle();
      return stage.server.confirm(node, association, signal);
    }

    /** Disassociates and waits until it is final. */
    async function retire(node: ProvedNode) {
      const removal = await stage.server.disassociate(recordedAs(node), begin, signal);
      await stage.settle();
      await stage.server.confirmDisassociation(node.nodeName, removal, signal);
      return removal;
    }

    /** How many times the server has it. */
    async function times({ nodeName }: Node) {
      return (await stage.managedNodes()).filter((one) => one === nodeName).length;
    }

    it('takes a node', async () => {
      const node = await freshNode();
      await enrol(node);
      expect(await times(node)).toBe(1);
    });

    it('takes the same node with the same key again, and has it once', async () => {
      const node = await freshNode();
      await enrol(node);
      await enrol(node);
      expect(await times(node)).toBe(1);
    });

    it('takes two calls for the same node at once, and has it once', async () => {
      const node = await freshNode();
      await Promise.all([enrolPatiently(node), enrolPatiently(node)]);
      expect(await times(node)).toBe(1);
    });

    /** As the state machine does it: what is "not yet" is tried again. */
    async function enrolPatiently(node: Node): Promise<void> {
      for (let attempt = 1; ; attempt++) {
        try {
          return void (await enrol(node));
        } catch (error) {
          if (attempt === 5 || !harness.notReady.includes((error as Error).name)) throw error;
        }
      }
    }

    it('refuses another key for a node that it has', async () => {
      const node = await freshNode();
      await enrol(node);
      await expect(enrol(await stage.makeNode(node.nodeName))).rejects.toMatchObject({ name: 'AssociationFailed' });
    });

    it('still takes the first key after it has refused another', async () => {
      const node = await freshNode();
      await enrol(node);
      await enrol(await stage.makeNode(node.nodeName)).catch(() => undefined);
      await expect(enrol(node)).resolves.toMatchObject({});
    });

    it('is not there under another name', async () => {
      const node = await freshNode();
      await expect(stage.unknownServer.associate(node, signal)).rejects.toMatchObject({
        name: expect.stringMatching(/^(DependencyMissing|ServerNotFound)$/),
      });
    });

    it('takes nothing from somebody with the wrong credentials', async () => {
      const node = await freshNode();
      const stranger = await stage.asStranger();
      await expect(stranger.associate(node, signal)).rejects.toMatchObject({ name: 'PermissionDenied' });
      expect(await times(node)).toBe(0);
    });

    it('forgets nothing for somebody with the wrong credentials', async () => {
      const node = await freshNode();
      await enrol(node);
      const stranger = await stage.asStranger();
      await expect(stranger.disassociate(recordedAs(node), begin, signal)).rejects.toMatchObject({
        name: 'PermissionDenied',
      });
      expect(await times(node)).toBe(1);
    });

    it('forgets a node', async () => {
      const node = await freshNode();
      await enrol(node);
      expect(await retire(node)).toMatchObject({ outcome: 'taken' });
      expect(await times(node)).toBe(0);
    });

    it('says of a node that it has forgotten, or never had, that it misses it', async () => {
      const [node, never] = [await freshNode(), await freshNode()];
      await enrol(node);
      await retire(node);
      const outcomes = [await retire(node), await retire(never)].map(({ outcome }) => outcome);
      // A server that shows no keys may take the request all the same.
      expect(outcomes).toEqual(harness.showsKey ? ['missing', 'missing'] : ['taken', 'taken']);
      expect(await times(node)).toBe(0);
    });

    it('records that a removal begins before it removes, and not for a node that it never had', async () => {
      const [node, never] = [await freshNode(), await freshNode()];
      await enrol(node);
      const seen: number[] = [];
      const look = async () => void seen.push(await times(node));
      await stage.server.disassociate(recordedAs(node), look, signal);
      expect(seen[0]).toBe(1);
      if (!harness.showsKey) return;
      await stage.server.disassociate(recordedAs(never), () => Promise.reject(new Error('It has begun.')), signal);
    });

    if (harness.showsKey)
      it('leaves another key under the name untouched, and says so', async () => {
        const node = await freshNode();
        await enrol(node);
        const refused = await stage.makeNode(node.nodeName);
        expect(await retire(refused)).toMatchObject({ outcome: 'anothers' });
        expect(await times(node)).toBe(1);
        await expect(enrol(node)).resolves.toMatchObject({});
        const unknown = { ...recordedAs(node), publicKeyFingerprint: null };
        expect(await stage.server.disassociate(unknown, begin, signal)).toMatchObject({ outcome: 'anothers' });
        expect(await times(node)).toBe(1);
      });

    it('takes a node again that it has forgotten, with the same key or another', async () => {
      const node = await freshNode();
      await enrol(node);
      await retire(node);
      await enrol(node);
      await retire(node);
      await enrol(await stage.makeNode(node.nodeName));
      expect(await times(node)).toBe(1);
    });

    it('gives up when it is told to', async () => {
      const node = await freshNode();
      await expect(stage.server.associate(node, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
      expect(await times(node)).toBe(0);
    });

    if (harness.takesTime)
      it('says that it still works on it, and then that it is final', async () => {
        const node = await freshNode();
        const association = await stage.server.associate(node, signal);
        await expect(stage.server.confirm(node, association, signal)).rejects.toMatchObject({
          name: 'AssociationPending',
        });
        await stage.settle();
        await expect(stage.server.confirm(node, association, signal)).resolves.toMatchObject({});
      });

    if (harness.issuesCertificates)
      it('brings a certificate for the node’s own key, and the CA that signed it', async () => {
        const node = await freshNode();
        const { certificate, caCertificate } = await enrol(node);
        const issued = new X509Certificate(certificate ?? '');
        const key = String(issued.publicKey.export({ type: 'spki', format: 'pem' }));
        expect(key.trim()).toBe(node.identity.publicKey.trim());
        expect(issued.subject).toBe(`CN=${node.nodeName}`);
        expect(issued.verify(new X509Certificate(caCertificate ?? '').publicKey)).toBe(true);
      });

    if (harness.issuesCertificates)
      it('hands on no certificate for another key than the node’s', async () => {
        const node = await freshNode();
        const association = await stage.server.associate(node, signal);
        await stage.settle();
        const other = await stage.makeNode(node.nodeName);
        const confirmed = stage.server.confirm(other, association, signal);
        await expect(confirmed).rejects.toMatchObject({ name: 'AssociationFailed' });
      });

    if (!harness.issuesCertificates)
      it('brings no certificate', async () => {
        expect(await enrol(await freshNode())).toMatchObject({ certificate: null, caCertificate: null });
      });

    it('says "not yet" while it is busy, and takes the node when it is ready', async () => {
      const node = await freshNode();
      await stage.makeBusy();
      const refusal: unknown = await stage.server.associate(node, signal).catch((error: unknown) => error);
      expect(harness.notReady).toContain((refusal as Error).name);
      await stage.makeReady();
      expect(await times(node)).toBe(0);
      await enrol(node);
      expect(await times(node)).toBe(1);
    });

    if (harness.hasRate)
      it('says Throttled when it is asked too often, and takes the node later', async () => {
        const node = await freshNode();
        await stage.throttle?.();
        await expect(stage.server.associate(node, signal)).rejects.toMatchObject({ name: 'Throttled' });
        await enrol(node);
        expect(await times(node)).toBe(1);
      });

    it('has the node once when its answer was lost', async () => {
      const node = await freshNode();
      await stage.loseAnswer();
      // The client may ask again by itself, or leave that to the state machine.
      await stage.server
        .associate(node, signal)
        .catch((error: Error) => expect([...harness.notReady, 'ServiceUnavailable']).toContain(error.name));
      await enrol(node);
      expect(await times(node)).toBe(1);
    });

    // Last of all, for the server does not come back from it.
    if (harness.canBeHopeless)
      it('says ServerNotFound once it is beyond hope', async () => {
        const node = await freshNode();
        await stage.makeHopeless?.();
        await expect(stage.server.associate(node, signal)).rejects.toMatchObject({ name: 'ServerNotFound' });
      });
  });
}
