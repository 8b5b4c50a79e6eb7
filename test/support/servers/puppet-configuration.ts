import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The name in the server's certificate, and so in its URL. */
export const HOST = 'localhost';
/** The client certificates that Muster holds, and one that the server knows and lets do nothing. */
export const ENROL = 'muster-enrol';
export const RETIRE = 'muster-retire';
export const STRANGER = 'stranger';

/** The instances for which the server takes CSRs from Muster alone; for all others from anybody, as it does by default. */
const HARDENED = 'i-f[0-9a-f]{7,16}';

const allowed = (name: string, path: string, method: string[], allow: object) => {
  const type = path.startsWith('^') ? 'regex' : 'path';
  return { name, 'match-request': { path, type, method }, ...allow };
};
const ANYBODY = { 'allow-unauthenticated': true };
const ANY_NODE = { allow: '*' };
const MUSTER = { allow: [ENROL, RETIRE] };
const COMMAND_LINE = { allow: { extensions: { pp_cli_auth: 'true' } } };

/** What an operator adds for Muster, before what Puppet Server comes with. */
const MUSTERS_RULES = [
  allowed('muster', '^/puppet-ca/v1/certificate_status/i-[0-9a-f]{8,17}$', ['get', 'put', 'delete'], MUSTER),
  allowed('hardened', `^/puppet-ca/v1/certificate_request/${HARDENED}$`, ['put'], { allow: [ENROL] }),
].map((rule) => ({ ...rule, 'sort-order': 400 }));

/** What a CA and an agent need of the rules that Puppet Server comes with. Everything else is denied. */
const OWN_RULES = [
  allowed('catalog', '^/puppet/v3/catalog/([^/]+)$', ['get', 'post'], { allow: '$1' }),
  allowed('node', '^/puppet/v3/node/([^/]+)$', ['get'], { allow: '$1' }),
  allowed('report', '^/puppet/v3/report/([^/]+)$', ['put'], { allow: '$1' }),
  allowed('files', '/puppet/v3/file_', ['get', 'post', 'put', 'head'], ANY_NODE),
  allowed('certificate', '/puppet-ca/v1/certificate/', ['get'], ANYBODY),
  allowed('revocation list', '/puppet-ca/v1/certificate_revocation_list/ca', ['get'], ANYBODY),
  allowed('request', '/puppet-ca/v1/certificate_request', ['get', 'put'], ANYBODY),
  allowed('status', '/puppet-ca/v1/certificate_status', ['get', 'put', 'delete'], COMMAND_LINE),
  allowed('ready', '/status/v1/simple', ['get'], ANYBODY),
].map((rule) => ({ ...rule, 'sort-order': 500 }));

const SERVICES = [
  'puppetlabs.services.request-handler.request-handler-service/request-handler-service',
  'puppetlabs.services.jruby.jruby-puppet-service/jruby-puppet-pooled-service',
  'puppetlabs.services.jruby-pool-manager.jruby-pool-manager-service/jruby-pool-manager-service',
  'puppetlabs.services.puppet-profiler.puppet-profiler-service/puppet-profiler-service',
  'puppetlabs.trapperkeeper.services.webserver.jetty9-service/jetty9-service',
  'puppetlabs.trapperkeeper.services.webrouting.webrouting-service/webrouting-service',
  'puppetlabs.services.config.puppet-server-config-service/puppet-server-config-service',
  'puppetlabs.services.master.master-service/master-service',
  'puppetlabs.services.puppet-admin.puppet-admin-service/puppet-admin-service',
  'puppetlabs.trapperkeeper.services.authorization.authorization-service/authorization-service',
  'puppetlabs.services.versioned-code-service.versioned-code-service/versioned-code-service',
  'puppetlabs.trapperkeeper.services.scheduler.scheduler-service/scheduler-service',
  'puppetlabs.trapperkeeper.services.status.status-service/status-service',
  'puppetlabs.trapperkeeper.services.metrics.metrics-service/metrics-service',
  'puppetlabs.trapperkeeper.services.metrics.metrics-service/metrics-webservice',
  'puppetlabs.services.jruby.jruby-metrics-service/jruby-metrics-service',
  'puppetlabs.services.ca.certificate-authority-service/certificate-authority-service',
  'puppetlabs.trapperkeeper.services.watcher.filesystem-watch-service/filesystem-watch-service',
];

const ROUTES = {
  'puppetlabs.services.ca.certificate-authority-service/certificate-authority-service': '/puppet-ca',
  'puppetlabs.services.master.master-service/master-service': '/puppet',
  'puppetlabs.services.puppet-admin.puppet-admin-service/puppet-admin-service': '/puppet-admin-api',
  'puppetlabs.trapperkeeper.services.status.status-service/status-service': '/status',
  'puppetlabs.trapperkeeper.services.metrics.metrics-service/metrics-webservice': '/metrics',
};

/** The catalog that every node gets. */
const MANIFEST = `notify { "converged by \${facts['clientcert']}": }\n`;

/** The files of a Puppet Server that lives in one folder. */
export function writeConfiguration(root: string, port: number): void {
  const paths = Object.fromEntries(
    ['conf', 'code', 'var', 'run', 'log', 'ca'].map((name) => [name, join(root, 'puppet', name)]),
  );
  const write = (name: string, content: string) => writeFileSync(join(root, name), content);
  // The server's files are HOCON, and JSON is HOCON.
  const writeJson = (name: string, content: unknown) => write(name, JSON.stringify(content, null, 2));
  for (const folder of ['tk/conf.d', 'tk/services.d', 'puppet/conf', 'puppet/code/environments/production/manifests'])
    mkdirSync(join(root, folder), { recursive: true });
  for (const folder of Object.values(paths)) mkdirSync(folder, { recursive: true });

  write(
    'puppet/conf/puppet.conf',
    `[main]
confdir = ${paths.conf}
codedir = ${paths.code}
vardir = ${paths.var}
rundir = ${paths.run}
logdir = ${paths.log}
ssldir = ${paths.conf}/ssl
certname = ${HOST}
server = ${HOST}
serverport = ${port}
keylength = 2048
[server]
cadir = ${paths.ca}
`,
  );
  write('puppet/code/environments/production/manifests/site.pp', MANIFEST);
  write(
    'tk/logback.xml',
    `<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5p [%c{2}] %m%n</pattern></encoder>
  </appender>
  <root level="info"><appender-ref ref="out"/></root>
</configuration>
`,
  );
  write('tk/services.d/bootstrap.cfg', `${SERVICES.join('\n')}\n`);
  writeJson('tk/conf.d/auth.conf', { authorization: { version: 1, rules: [...MUSTERS_RULES, ...OWN_RULES] } });
  writeJson('tk/conf.d/global.conf', { global: { 'logging-config': join(root, 'tk/logback.xml') } });
  writeJson('tk/conf.d/metrics.conf', { metrics: { 'server-id': HOST } });
  writeJson('tk/conf.d/web-routes.conf', { 'web-router-service': ROUTES });
  writeJson('tk/conf.d/webserver.conf', {
    webserver: { 'client-auth': 'want', 'ssl-host': '127.0.0.1', 'ssl-port': port },
  });
  writeJson('tk/conf.d/puppetserver.conf', {
    'jruby-puppet': {
      'ruby-load-path': ['/usr/lib/puppetserver/ruby/vendor_ruby'],
      'gem-home': join(root, 'gems'),
      'gem-path': [join(root, 'gems'), '/usr/lib/puppetserver/vendored-jruby-gems'],
      'server-conf-dir': paths.conf,
      'server-code-dir': paths.code,
      'server-var-dir': paths.var,
      'server-run-dir': paths.run,
      'server-log-dir': paths.log,
      'max-active-instances': 1,
    },
  });
}
