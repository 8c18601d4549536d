// A real OpenID provider on loopback for the tests of login: npm `oidc-provider`, authorization code with PKCE, its own pages for
// logging in and consent. The modules are found in the folder PORTCULLIS_NODE_MODULES. It prints one JSON line when it listens, and
// ends with its standard input.
//
// POST /test/client?redirect=URI   the client's redirect URI
// POST /test/groups?of=NAME&is=A,B what the ID token of somebody says in `groups`
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const modules = createRequire(`${process.env.PORTCULLIS_NODE_MODULES}/package.json`);
const { Provider } = await import(pathToFileURL(modules.resolve('oidc-provider')));

// Standard output is read up to its first line only; what the provider remarks goes the other way.
console.info = console.warn;

const groups = new Map([['ada', ['ml-admins']], ['grace', ['staff']], ['eve', []]]);
let issuer = '';
let provider;

function rebuild(redirect) {
  provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'portcullis',
        client_secret: 'a secret with spaces & signs',
        redirect_uris: redirect ? [redirect] : [],
        response_types: redirect ? ['code'] : [],
        grant_types: redirect ? ['authorization_code'] : [],
      },
    ],
    claims: { openid: ['sub', 'groups'], profile: ['preferred_username'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['tests'] },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, groups: groups.get(id) ?? [] }),
    }),
  });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname === '/test/client') {
    rebuild(url.searchParams.get('redirect'));
  } else if (url.pathname === '/test/groups') {
    groups.set(url.searchParams.get('of'), url.searchParams.get('is').split(',').filter(Boolean));
  } else {
    provider.callback()(request, response);
    return;
  }
  response.setHeader('content-type', 'application/json');
  response.end('{}');
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  rebuild(null);
  console.log(JSON.stringify({ issuer }));
});
