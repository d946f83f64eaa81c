/** The alternatives from Debian's packages, set up as one would for streams, each with a log line a request. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Contender } from "./contender.ts";
import { freePort, start, untilAnswered } from "./programs.ts";

/** Where a proxy listens, what it passes requests to, and where its files go. */
interface Place {
  readonly port: number;
  readonly upstream: number;
  readonly folder: string;
}

/** nginx with one worker, its settings in `folder`. */
export async function startNginx(upstream: number, folder: string): Promise<Contender> {
  const place = { port: freePort(), upstream, folder };
  const file = join(folder, "nginx.conf");
  writeFileSync(file, nginxSettings(place, process.getuid?.() === 0));
  const command = ["nginx", "-p", folder, "-e", join(folder, "nginx.log"), "-c", file];
  return answering(
    "nginx",
    place.port,
    start(command, "under test", { env: SYSTEM_PATH, log: join(folder, "nginx.out") }),
  );
}

/** HAProxy with one thread, its settings in `folder`. */
export async function startHaproxy(upstream: number, folder: string): Promise<Contender> {
  const place = { port: freePort(), upstream, folder };
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, haproxySettings(place));
  const program = start(["haproxy", "-f", file], "under test", { env: SYSTEM_PATH, log: join(folder, "haproxy.log") });
  return answering("HAProxy", place.port, program);
}

/** Where Debian puts programs that it thinks are for root; a user's PATH may not have it. */
const SYSTEM_PATH = { PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` };

/** The path of `program`, or null where it is not installed. */
export function findProgram(program: string): string | null {
  return Bun.which(program, SYSTEM_PATH);
}

async function answering(name: Contender["name"], port: number, program: ReturnType<typeof start>): Promise<Contender> {
  await untilAnswered(`http://127.0.0.1:${port}/api/version`, program);
  return { name, port, pids: program.pids, end: program.end };
}

function nginxSettings({ port, upstream, folder }: Place, isRoot: boolean): string {
  return `
daemon off;
${isRoot ? "user root;" : ""}
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid;
events { worker_connections 20000; }
http {
  access_log ${folder}/access.log combined;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000;
  upstream ollama {
    server 127.0.0.1:${upstream};
    keepalive 256;
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://ollama;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;
}

function haproxySettings({ port, upstream }: Place): string {
  return `
global
  nbthread 1
  maxconn 1000
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  # Without it HAProxy gathers the chunks of a stream for up to 200 ms.
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend clients
  bind 127.0.0.1:${port}
  default_backend ollama
backend ollama
  server ollama 127.0.0.1:${upstream} pool-max-conn 256
`;
}
