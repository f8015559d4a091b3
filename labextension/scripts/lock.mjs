/**
 * Writes package-lock.json anew, without any address in it.
 *
 * Law: the lock names packages, versions and checksums; where they come from is the choice of whoever installs.
 * npm leaves the registry out by itself (.npmrc), but not the packages' own funding links.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("..", import.meta.url);
const path = new URL("package-lock.json", folder);

execFileSync("npm", ["install", "--package-lock-only", ...process.argv.slice(2)], {
  cwd: fileURLToPath(folder),
  stdio: "inherit",
});

const lock = JSON.parse(readFileSync(path, "utf8"));
for (const entry of Object.values(lock.packages)) {
  delete entry.funding;
  delete entry.resolved;
}
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
