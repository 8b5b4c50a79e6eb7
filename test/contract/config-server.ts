import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConfigServer, Node } from '../../services/config-servers/contract.ts';

/** One server of an engine, and the hands to make it ready, busy or hopeless. */
export interface Stage {
  readonly server: ConfigServer;
  /** The same engine under a name or an address where no server is. */
  readonly unknownServer: ConfigServer;
  /** A node with a key of its own: each call makes another key. */
  readonly makeNode: (nodeName: string) => Promise<Node>;
  /** What the server has now. */
  readonly managedNodes: () => Promise<readonly string[]>;
  /** Lets the server finish what it has begun. */
  readonly settle: () => Promise<void>;
  /** It cannot take nodes now; with `makeReady` it can again. */
  readonly makeBusy: () => Promise<void>;
  readonly makeReady: () => Promise<void>;
  /** The next answer is lost after the server has done its work. */
  readonly loseAnswer: () => Promise<void>;
  /** It will never take nodes again. For engines that can say so of themselves. */
  readonly makeHopeless?: () => Promise<void>;
  /** It refuses the next calls for their rate, more than the client itself rides out. For engines that have one. */
  readonly throttle?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface Harness {
  readonly start: () => Promise<Stage>;
  /** Errors that say "not ready", where the engine has a name of its own for it. */
  readonly notReady: readonly string[];
  /** Whether `confirm` brings a certificate for the node's key. */
  readonly issuesCertificates: boolean;
  /** Whether an association is final only some time after it was taken. */
  readonly takesTime: boolean;
  /** Whether the stage has `makeHopeless`. */
  readonly canBeHopeless: boolean;
  /** Whether the stage has `throttle`. */
  readonly hasRate: boolean;
}

const { signal } = new AbortController();

/** What every configuration server does for a node, whatever its engine: services/config-servers/contract.ts. */
export function describeConfigServer(name: string, harness: Harness): void {
  describe(`${name}, as a configuration server,`, () => {
    let stage: Stage;
    beforeAll(async () => {
      stage = await harness.start();
    });
    afterAll(() => stage.close());

    /** Associates and waits until it is final. */
    async function enrol(node: Node) {
      const association = await stage.server.associate(node, signal);
      await stage.settle();
      return stage.server.confirm(node, association, signal);
    }

    it('takes a node', async () => {
      await enrol(await stage.makeNode('taken'));
      expect(await stage.managedNodes()).toContain('taken');
    });

    it('takes the same node with the same key again, and has it once', async () => {
      const node = await stage.makeNode('twice');
      await enrol(node);
      await enrol(node);
      expect((await stage.managedNodes()).filter((one) => one === 'twice')).toHaveLength(1);
    });

    it('takes two calls for the same node at once, and has it once', async () => {
      const node = await stage.makeNode('at-once');
      const both = await Promise.all([stage.server.associate(node, signal), stage.server.associate(node, signal)]);
      await stage.settle();
      for (const association of both) await stage.server.confirm(node, association, signal);
      expect((await stage.managedNodes()).filter((one) => one === 'at-once')).toHaveLength(1);
    });

    it('refuses another key for a node that it has', async () => {
      await enrol(await stage.makeNode('stolen'));
      await expect(enrol(await stage.makeNode('stolen'))).rejects.toMatchObject({ name: 'AssociationFailed' });
    });

    it('is not there under another name', async () => {
      const node = await stage.makeNode('lost');
      await expect(stage.unknownServer.associate(node, signal)).rejects.toMatchObject({ name: 'ServerNotFound' });
    });

    it('gives up when it is told to', async () => {
      const node = await stage.makeNode('aborted');
      await expect(stage.server.associate(node, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
      expect(await stage.managedNodes()).not.toContain('aborted');
    });

    if (harness.takesTime)
      it('says that it still works on it, and then that it is final', async () => {
        const node = await stage.makeNode('patient');
        const association = await stage.server.associate(node, signal);
        await expect(stage.server.confirm(node, association, signal)).rejects.toMatchObject({
          name: 'AssociationPending',
        });
        await stage.settle();
        await expect(stage.server.confirm(node, association, signal)).resolves.toMatchObject({});
      });

    if (harness.issuesCertificates)
      it('brings a certificate for the node’s own key, and the CA that signed it', async () => {
        const node = await stage.makeNode('certified');
        const { certificate, caCertificate } = await enrol(node);
        const issued = new X509Certificate(certificate ?? '');
        const key = String(issued.publicKey.export({ type: 'spki', format: 'pem' }));
        expect(key.trim()).toBe(node.identity.publicKey.trim());
        expect(issued.subject).toBe('CN=certified');
        expect(issued.verify(new X509Certificate(caCertificate ?? '').publicKey)).toBe(true);
      });

    if (harness.issuesCertificates)
      it('hands on no certificate for another key than the node’s', async () => {
        const association = await stage.server.associate(await stage.makeNode('confused'), signal);
        await stage.settle();
        const other = await stage.makeNode('confused');
        const confirmed = stage.server.confirm(other, association, signal);
        await expect(confirmed).rejects.toMatchObject({ name: 'AssociationFailed' });
      });

    if (!harness.issuesCertificates)
      it('brings no certificate', async () => {
        expect(await enrol(await stage.makeNode('bare'))).toMatchObject({ certificate: null, caCertificate: null });
      });

    it('says "not yet" while it is busy, and takes the node when it is ready', async () => {
      const node = await stage.makeNode('delayed');
      await stage.makeBusy();
      const refusal: unknown = await stage.server.associate(node, signal).catch((error: unknown) => error);
      expect(harness.notReady).toContain((refusal as Error).name);
      expect(await stage.managedNodes()).not.toContain('delayed');
      await stage.makeReady();
      await enrol(node);
      expect(await stage.managedNodes()).toContain('delayed');
    });

    if (harness.hasRate)
      it('says Throttled when it is asked too often, and takes the node later', async () => {
        const node = await stage.makeNode('throttled');
        await stage.throttle?.();
        await expect(stage.server.associate(node, signal)).rejects.toMatchObject({ name: 'Throttled' });
        await enrol(node);
        expect(await stage.managedNodes()).toContain('throttled');
      });

    it('has the node once when its answer was lost', async () => {
      const node = await stage.makeNode('unheard');
      await stage.loseAnswer();
      // The client may ask again by itself, or leave that to the state machine.
      await stage.server.associate(node, signal).catch((error: Error) => expect(error.name).toBe('ServiceUnavailable'));
      await enrol(node);
      expect((await stage.managedNodes()).filter((one) => one === 'unheard')).toHaveLength(1);
    });

    // Last of all, for the server does not come back from it.
    if (harness.canBeHopeless)
      it('says ServerNotFound once it is beyond hope', async () => {
        const node = await stage.makeNode('too-late');
        await stage.makeHopeless?.();
        await expect(stage.server.associate(node, signal)).rejects.toMatchObject({ name: 'ServerNotFound' });
      });
  });
}
