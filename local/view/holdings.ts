import { styleText } from 'node:util';
import Table from 'cli-table3';
import type { World } from '../world.ts';

/** What one service holds: who, and how it stands with it. */
interface Holding {
  readonly service: string;
  readonly rows: readonly (readonly [subject: string, state: string])[];
}

/** A person does not read a thousand lines; a program reads GET /_local/world. */
const ROWS_A_SERVICE = 12;
/** Eighty columns in all, so that the ledger's keys of Lightsail (REGION and name) can be told apart. */
const COLUMN_WIDTHS = [12, 27, 39];

/** A table of what every service holds now. */
export async function holdingsTable(world: World): Promise<string> {
  const table = new Table({ head: ['service', 'holds', 'state'], ...LOOK });
  for (const { service, rows } of await holdings(world)) {
    const shown = rows.slice(0, ROWS_A_SERVICE);
    const hidden = rows.length - shown.length;
    if (rows.length === 0) table.push([service, styleText('dim', 'nothing'), '']);
    for (const [index, row] of shown.entries()) table.push([index === 0 ? service : '', ...row]);
    if (hidden > 0) table.push(['', styleText('dim', `and ${hidden} more`), '']);
  }
  return table.toString();
}

/** Columns in line, and no more lines than the head's own. */
const LOOK = {
  colWidths: COLUMN_WIDTHS,
  wordWrap: true,
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  chars: {
    ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '' },
    ...{ 'bottom-left': '', 'bottom-right': '', left: '', 'left-mid': '', right: '', 'right-mid': '' },
    ...{ mid: '─', 'mid-mid': '─', middle: ' ' },
  },
};

async function holdings(world: World): Promise<Holding[]> {
  const ledger = (await world.ledger()).sort((a, b) => String(a.instance).localeCompare(String(b.instance)));
  return [
    { service: 'Auto Scaling', rows: lifecycles(world) },
    { service: 'EC2', rows: ec2Metadata(world) },
    { service: 'Lightsail', rows: lightsailMetadata(world) },
    { service: 'OpsWorks', rows: registrations(world) },
    { service: 'OpsWorks CM', rows: servers(world) },
    {
      service: 'ledger',
      rows: ledger.map((item) => [String(item.instance), `${item.status}, profile ${item.profile}`]),
    },
    { service: 'lost events', rows: lostEvents(world) },
  ];
}

type Rows = Holding['rows'];

function lifecycles({ autoScaling }: World): Rows {
  const { openActions } = autoScaling.snapshot();
  return autoScaling.members.all.map(({ instance: { instanceId }, lifecycleState, group }) => {
    const hooks = openActions.filter((action) => action.instanceId === instanceId).map(({ hook }) => ` in ${hook}`);
    return [instanceId, `${group.settings.AutoScalingGroupName}: ${lifecycleState}${hooks.join('')}`];
  });
}

function ec2Metadata({ ec2 }: World): Rows {
  return ec2
    .snapshot()
    .instances.map(({ InstanceId = '', State, MetadataOptions: options = {} }) => [
      InstanceId,
      State?.Name === 'running'
        ? metadataWords(options.HttpTokens, options.HttpPutResponseHopLimit, options.State)
        : `${State?.Name}`,
    ]);
}

function lightsailMetadata({ lightsail }: World): Rows {
  return lightsail
    .snapshot()
    .instances.map(({ name = '', metadataOptions: options = {} }) => [
      name,
      metadataWords(options.httpTokens, options.httpPutResponseHopLimit, options.state),
    ]);
}

function metadataWords(tokens: string | undefined, hopLimit: number | undefined, state: string | undefined): string {
  return `IMDSv2 ${tokens}, hop limit ${hopLimit}, ${state}`;
}

function registrations({ opsWorks }: World): Rows {
  return opsWorks
    .snapshot()
    .instances.map(({ ec2InstanceId, hostname, status, layerIds }) => [
      ec2InstanceId ?? hostname ?? '',
      layerIds.length > 0 ? `${status}, in ${layerIds.length === 1 ? 'a layer' : `${layerIds.length} layers`}` : status,
    ]);
}

/** One row a server, with its nodes below one another. */
function servers({ opsWorksCm }: World): Rows {
  return Object.entries(opsWorksCm.snapshot().servers).map(([serverName, { status, associations }]) => {
    const nodes = associations.slice(0, ROWS_A_SERVICE).map(({ nodeName }) => `node ${nodeName}`);
    const hidden = associations.length - nodes.length;
    return [serverName, [status, ...nodes, ...(hidden > 0 ? [`and ${hidden} more`] : [])].join('\n')];
  });
}

function lostEvents({ lambda }: World): Rows {
  return lambda.deadLetters.map(({ functionName, payload, error }) => {
    const { 'detail-type': kind } = payload as { 'detail-type'?: string };
    return [functionName.replace('muster-dev-', ''), `${error.error}: ${kind}`];
  });
}
