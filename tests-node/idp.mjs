// A real OpenID provider on loopback for the tests: npm `oidc-provider`, client credentials, tokens as JWT for the resource that is
// asked for. The modules are found in the folder PORTCULLIS_NODE_MODULES. It prints one JSON line when it listens.
//
// POST /test/rotate?keep=1|0     new keys; with keep=1 the old ones stay in the key set, with 0 they are gone
// POST /test/alg?alg=ES256       tokens are signed with that algorithm from now on
// POST /test/be?how=…            good, slow, huge, redirect, html, wrong-issuer, weak, many-keys, metadata, broken-key, error: how discovery
//                                and key set are answered
// POST /test/down?for=MS         stops to listen for so long, every connection is cut
// GET  /test/seen                how often discovery and keys were asked for
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const modules = createRequire(`${process.env.PORTCULLIS_NODE_MODULES}/package.json`);
const { Provider } = await import(pathToFileURL(modules.resolve('oidc-provider')));

const KINDS = {
  RS256: () => make('rsa', { modulusLength: 2048 }),
  PS256: () => make('rsa', { modulusLength: 2048 }),
  ES256: () => make('ec', { namedCurve: 'P-256' }),
  EdDSA: () => make('ed25519', {}),
  Ed25519: () => make('ed25519', {}),
};

// A private key as JWK. By way of PEM, since the two halves of a pair share a lock that Node.js 20 may take twice.
function make(kind, options) {
  const publicKeyEncoding = { type: 'spki', format: 'pem' };
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' };
  const { privateKey } = generateKeyPairSync(kind, { ...options, publicKeyEncoding, privateKeyEncoding });
  return createPrivateKey(privateKey).export({ format: 'jwk' });
}

// Two issuers of one prefix have the same key ids.
const prefix = process.env.KID_PREFIX || 'key';
const roles = JSON.parse(process.env.ROLES || '["scorer"]');

let alg = process.env.ALG || 'RS256';
let issuer = '';
let generation = 0;
let keys = [];
let provider;
let how = 'good';
let seen = { discovery: 0, keys: 0 };

function fresh() {
  generation += 1;
  return Object.entries(KINDS).map(([name, key]) => ({
    ...key(),
    use: 'sig',
    alg: name,
    kid: `${prefix}-${name}-${generation}`,
  }));
}

function rebuild() {
  provider = new Provider(issuer, {
    jwks: { keys },
    clients: [
      {
        client_id: 'svc',
        client_secret: 'svc-secret',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        scope: 'score:invoke admin',
      },
    ],
    scopes: ['openid', 'score:invoke', 'admin'],
    enabledJWA: { idTokenSigningAlgValues: Object.keys(KINDS) },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'api://small',
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: 'score:invoke admin',
          audience: resource,
          accessTokenTTL: 300,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg } },
        }),
      },
    },
    extraTokenClaims: () => ({ roles }),
    ttl: { ClientCredentials: 300 },
  });
}

// The public half of a key.
function shown({ d, p, q, dp, dq, qi, ...rest }) {
  return rest;
}

function json(res, value, status = 200) {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

const DISCOVERY = '/.well-known/openid-configuration';
const KEYS = '/jwks';
const document = (more) => ({ issuer, jwks_uri: `${issuer}${KEYS}`, ...more });

// Answers that no provider should give. True when the request was dealt with.
function misbehave(path, res) {
  const discovery = path === DISCOVERY;
  switch (how) {
    case 'slow':
      setTimeout(() => json(res, discovery ? document() : { keys: keys.map(shown) }), 10_000);
      return true;
    case 'huge': {
      res.writeHead(200, { 'content-type': 'application/json' });
      const piece = Buffer.alloc(1 << 20, ' ');
      let left = 1024;
      const more = () => {
        while (left > 0) {
          left -= 1;
          if (!res.write(piece)) return res.once('drain', more);
        }
        return res.end('{}');
      };
      res.on('error', () => {});
      more();
      return true;
    }
    case 'redirect':
      res.writeHead(302, { location: `http://127.0.0.2:1${path}` }).end();
      return true;
    case 'html':
      res.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>sign in</title>');
      return true;
    case 'error':
      json(res, { error: 'server_error' }, 500);
      return true;
    case 'wrong-issuer':
      if (discovery) json(res, document({ issuer: `${issuer}/` }));
      return discovery;
    case 'metadata':
      if (discovery) json(res, document({ jwks_uri: 'http://169.254.169.254/latest/meta-data/keys' }));
      return discovery;
    case 'weak':
      if (!discovery) {
        const weak = shown(make('rsa', { modulusLength: 1024 }));
        json(res, { keys: [{ ...weak, use: 'sig', alg: 'RS256', kid: 'weak' }, ...keys.map(shown)] });
      }
      return !discovery;
    case 'many-keys':
      if (!discovery) {
        const one = shown(keys.find((key) => key.kty === 'OKP'));
        json(res, { keys: Array.from({ length: 10_000 }, (_, at) => ({ ...one, kid: `${at}` })) });
      }
      return !discovery;
    case 'broken-key':
      if (!discovery) {
        const odd = [{ kty: 'RSA', kid: 'odd', n: '!', e: 'AQAB' }, 7, null, { kty: 'XYZ', kid: 'later' }];
        json(res, { keys: [...odd, ...keys.map(shown)] });
      }
      return !discovery;
    default:
      return false;
  }
}

function steer(url, res) {
  const ask = (name) => url.searchParams.get(name);
  switch (url.pathname) {
    case '/test/rotate':
      if (ask('keep') === '1') keys = [...fresh(), ...keys];
      else keys = fresh();
      break;
    case '/test/alg':
      alg = ask('alg');
      break;
    case '/test/be':
      how = ask('how');
      break;
    case '/test/seen':
      return json(res, seen);
    case '/test/down':
      json(res, {});
      server.close();
      setTimeout(() => server.closeAllConnections(), 20);
      setTimeout(() => server.listen(port, '127.0.0.1'), +ask('for'));
      return undefined;
    default:
      return json(res, { error: 'no such test' }, 404);
  }
  rebuild();
  return json(res, { alg, kids: keys.map((key) => key.kid) });
}

const server = http.createServer((req, res) => {
  const url = new URL(req.url, issuer);
  if (url.pathname.startsWith('/test/')) return steer(url, res);
  if (url.pathname === DISCOVERY) seen.discovery += 1;
  if (url.pathname === KEYS) seen.keys += 1;
  if ([DISCOVERY, KEYS].includes(url.pathname) && misbehave(url.pathname, res)) return undefined;
  return provider.callback()(req, res);
});
let port = 0;
server.listen(0, '127.0.0.1', () => {
  if (port) return;
  port = server.address().port;
  issuer = `http://127.0.0.1:${port}`;
  keys = fresh();
  rebuild();
  process.stdout.write(`${JSON.stringify({ ready: true, issuer })}\n`);
});
// Whoever started it is gone when its standard input ends.
process.stdin.on('end', () => process.exit(0)).resume();
