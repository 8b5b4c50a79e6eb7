import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { associations, launchActions, playWorld, untilOneEnded } from '../support/world.ts';

describe('a launch under Puppet', () => {
  it('is enrolled, and its node has the certificate that the server signed for its own key', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      instance,
      outcome: 'enrolled',
      profile: 'database',
      association: { serverName: 'PuppetServer', nodeName: instance },
      opsworksInstanceId: null,
      lifecycle: 'Pending:Proceed',
    });
    const node = world.fleet.get(instance);
    const certificate = new X509Certificate(node?.installed?.certificate ?? '');
    expect(certificate.subject).toBe(`CN=${instance}`);
    expect(certificate.publicKey.export({ type: 'spki', format: 'pem' })).toBe(await node?.publicKeyPem());
    expect(certificate.verify(new X509Certificate(node?.installed?.caCertificate ?? '').publicKey)).toBe(true);
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('fails when the node cannot install its certificate, and says what the node said', async () => {
    const world = await playWorld();
    const outcome = { stdout: '', stderr: 'No space left on device\n', exitCode: 1 };
    world.systemsManager.disturb({ documentName: 'Muster-InstallCredentials-dev', outcome });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining(
        `${instance} could not install its credentials; its script printed "No space left on device".`,
      ),
    });
    expect(launchActions(world)).toMatchObject([{ result: undefined }]);
    expect(associations(world)).toHaveLength(1);
  });

  it('sends a command again that was lost on its way', async () => {
    const world = await playWorld();
    // The node is cut off in the middle of its work: its command times out, and the node comes back.
    world.systemsManager.disturb({ documentName: 'Muster-CollectIdentity-dev', slowerBySeconds: 900, times: 1 });
    world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
  });
});
