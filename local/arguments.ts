import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { Unusable } from './unusable.ts';

/** What `npm start` is asked to do. */
export interface Arguments {
  /** Files with events or requests to play, in the place of the scene. */
  readonly eventFiles: readonly string[];
  /** Whether the world stays up until it is stopped. */
  readonly serve: boolean;
  /** How many seconds of the world pass in one of ours. */
  readonly speed: number;
  /** 0: any that is free. */
  readonly port: number;
  /** Whether standard output is one JSON object a line, and nothing else. */
  readonly json: boolean;
  /** Where the functions' own log lines go; undefined: nowhere. */
  readonly logFile: string | undefined;
  /** The sweep that is made in the end; undefined: none. */
  readonly sweep: { readonly folder: string; readonly isDryRun: boolean } | undefined;
}

/** Where tools look for a local AWS. */
const DEFAULT_PORT = 4566;
/** A second is a minute and a half: the whole scene takes less than fifteen. */
const PLAY_SPEED = 90;
/** A caller from outside lives in real time. */
const SERVE_SPEED = 1;
/** Where a sweep's report goes. */
const SWEEP_FOLDER = 'build/sweep';

const EPILOGUE = `
Examples:
  npm start                                                    the scene: six instances launch, and what becomes of each
  npm start -- --event events/samples/ec2-launch-lifecycle-action.json
  npm start -- --json                                          the scene, for a program to read
  npm start -- --serve                                         an AWS to try things on
  npm start -- --sweep                                         the scene, then a sweep and its report

A file holds one event (a complete EventBridge envelope) or a list of them. The instances that it names come into
being first, and it is sent now, whatever its time says. A request as a person would type it, {"instanceId":"i-…"},
starts an execution by hand.

Exit codes: 0 all is enrolled or rightly ignored; 1 something is not, or the port cannot be had; 2 an argument or a
file cannot be used; 130 interrupted.`;

/**
 * Reads the command line.
 * @returns undefined when it asked for help, which has been printed
 * @throws Unusable with a sentence
 */
export function readArguments(argv: readonly string[]): Arguments | undefined {
  const command = describedCommand();
  try {
    command.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new Unusable(sentence(error.message));
  }
  const options = command.opts<{ event?: string[]; serve?: true; speed?: number; port: number; json?: true }>();
  const {
    logs,
    sweep,
    out,
    dryRun = false,
  } = command.opts<{ logs?: string; sweep?: true; out: string; dryRun?: true }>();
  const serve = options.serve ?? false;
  return {
    eventFiles: options.event ?? [],
    serve,
    speed: options.speed ?? (serve ? SERVE_SPEED : PLAY_SPEED),
    port: options.port,
    json: options.json ?? false,
    logFile: logs,
    sweep: sweep && { folder: out, isDryRun: dryRun },
  };
}

function describedCommand(): Command {
  return new Command('npm start --')
    .description('Plays the whole workflow on this machine, without AWS.')
    .option('--event <files...>', 'play these events instead of the scene')
    .option('--serve', 'stay up for any AWS client until Ctrl+C')
    .option(
      '--speed <n>',
      `seconds of the world in one of ours (default: ${PLAY_SPEED}; with --serve ${SERVE_SPEED})`,
      asSpeed,
    )
    .option('--port <n>', 'the loopback port; 0 takes any that is free', asPort, DEFAULT_PORT)
    .option('--json', 'print one JSON object a line for each enrolment, and nothing else')
    .option('--logs <file>', "keep the functions' log lines in this file")
    .addOption(new Option('--sweep', 'sweep the world in the end, and keep the report').conflicts('serve'))
    .addOption(
      new Option('--out <folder>', "the folder for the sweep's report").default(SWEEP_FOLDER).implies({ sweep: true }),
    )
    .addOption(new Option('--dry-run', 'have the sweep start nothing').implies({ sweep: true }))
    .helpOption('-h, --help', 'print this')
    .addHelpText('after', EPILOGUE)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
}

function asSpeed(text: string): number {
  const speed = Number(text);
  if (text.trim() !== '' && Number.isFinite(speed) && speed > 0) return speed;
  throw new InvalidArgumentError('It is a number above 0.');
}

function asPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('It is a whole number from 0 to 65535.');
}

/** `error: unknown option '--sped'\n(Did you mean --speed?)` as one sentence. */
function sentence(message: string): string {
  const text = message
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')
    .trim();
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?)]$/.test(text) ? '' : '.'} See npm start -- --help.`;
}
