import { missed, SETTLED } from '../lib/absence.ts';
import { associationsOf, serverId } from '../lib/associations.ts';
import { formerServers, profiles } from '../lib/compiled.ts';
import { traitsOf } from '../lib/engines.ts';
import { DependencyMissing, InvalidRequest, PermissionDenied, ServerNotReady } from '../lib/errors.ts';
import { Associate } from '../lib/servers.ts';
import { Disassociation, Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { recordAssociation } from '../services/associations.ts';
import { ANOTHERS } from '../services/config-servers/contract.ts';
import { disassociatingServer } from '../services/config-servers/index.ts';
import { claimOf, findItem } from '../services/ledger.ts';

/** `before`: the answer of the look before. An execution that began before a deployment brings none. */
const Input = { retirement: Retirement, associate: Associate, before: Disassociation.nullish() };

/**
 * Has one configuration server forget the node, if its key there matches the ledger. OpsWorks CM shows no keys, so there
 * the ledger's record alone decides. A "not found" is confirmed minutes later.
 */
export const handler = task(
  Input,
  async ({ retirement, associate, before, task: { enteredTime } }, { signal, log }): Promise<Disassociation> => {
    const owner = claimOf(retirement);
    const id = serverId(associate);
    const settled = { server: id, statusToken: null, ...SETTLED };
    const known = associationsOf(await findItem(owner.instance, signal));
    const association = known[id];
    if (!association || association.status === 'refused' || association.status === 'undone') return settled;
    const { nodeName, publicKeyFingerprint, undoingSince = enteredTime } = association;
    const record = async (changes: Partial<typeof association>) => {
      await recordAssociation(owner, id, { ...association, ...changes }, known, signal);
    };

    const { showsKey, displayName } = traitsOf(associate);
    // Without a fingerprint no key can be told from a stranger's.
    const isUnknown = showsKey && publicKeyFingerprint === null;
    const recorded = { nodeName, publicKeyFingerprint, isBeingUndone: association.undoingSince !== undefined };
    const answer = isUnknown
      ? ANOTHERS
      : await asNamedToday(association.server, (server) =>
          disassociatingServer(server).disassociate(recorded, () => record({ undoingSince }), signal),
        );
    if (answer.outcome === 'anothers') {
      log('Left untouched', {
        reason: isUnknown
          ? `The ledger has no key for ${nodeName}, so we can't tell whether the node on ${displayName} is ours. Check it, and remove it by hand.`
          : `${displayName} has ${nodeName} with another key than the ledger: it is not the node that we enrolled.`,
      });
      await record({ status: 'refused', at: enteredTime });
    }
    if (answer.outcome !== 'missing') return { ...settled, statusToken: answer.statusToken };
    const absence = missed(before?.server === id ? before.absentSince : null, enteredTime);
    if (absence.absentSince === null) return settled;
    const reason = `${displayName} has not known ${nodeName} since ${absence.absentSince}, which a second look has to confirm.`;
    // An execution that began before a deployment has no state to wait in.
    if (before === undefined) throw new ServerNotReady(reason);
    log('Not yet', { reason });
    return { ...settled, ...absence };
  },
);

/** Calls the server as profiles.yml names it today: its secrets may have new names since the node was associated. */
async function asNamedToday<Answer>(server: Associate, call: (server: Associate) => Promise<Answer>): Promise<Answer> {
  const id = serverId(server);
  const named = [...profiles().flatMap(({ associate }) => associate ?? []), ...formerServers()];
  const today = named.find((one) => serverId(one) === id);
  if (today) return call(today);
  try {
    return await call(server);
  } catch (error) {
    const Refusal = [PermissionDenied, InvalidRequest, DependencyMissing].find((kind) => error instanceof kind);
    if (!Refusal || !(error instanceof Error)) throw error;
    throw new Refusal(
      `${error.message} No profile names ${traitsOf(server).displayName} any more: add it to profiles.yml as ` +
        `formerServers: [${JSON.stringify(server)}], with the secrets that it has now, and deploy again.`,
      { cause: error },
    );
  }
}
