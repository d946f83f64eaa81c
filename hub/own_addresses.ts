/** The addresses of the machine this hub runs on. */
import { networkInterfaces } from "node:os";
import { type Address, parseAddress } from "../shared/address.ts";

/** True for an address that this machine has now. Asked seldom: only for a node that says it listens on the hub's port. */
export function addressesOfMachine(): (address: Address) => boolean {
  return ({ text }) =>
    Object.values(networkInterfaces()).some((interfaces) =>
      interfaces?.some(({ address }) => parseAddress(address)?.text === text),
    );
}
