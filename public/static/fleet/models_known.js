// Which models the fleet has: on which nodes, where they are in memory, where their content differs.
import { standingOf } from "./node_words.js";
import { compare, state } from "./state.js";

/**
 * @typedef {object} KnownModel
 * @property {string} name
 * @property {{ id: string, online: boolean, loaded: boolean }[]} nodes
 * @property {number | null} size Bytes; the largest where nodes differ.
 * @property {string | null} parameters
 * @property {string | null} quantization
 * @property {number} online On how many nodes that may serve it now.
 * @property {number} loaded On how many of these it is in memory.
 * @property {boolean} conflict
 */

/** @type {{ of: unknown, models: KnownModel[] }} */
let last = { of: null, models: [] };

/** All models by name; the same array until a node changes. @returns {KnownModel[]} */
export function knownModels() {
  if (last.of === state.nodes) return last.models;
  /** @type {Map<string, KnownModel>} */
  const models = new Map();
  for (const node of state.list) {
    const online = standingOf(node).kind === "online";
    const inMemory = new Set(node.loaded);
    node.models.forEach((name, index) => {
      const details = node.model_details?.[index];
      const loaded = inMemory.has(name) || details?.loaded === true;
      const model = models.get(name) ?? empty(name);
      models.set(name, model);
      model.nodes.push({ id: node.node_id, online, loaded });
      if (details?.size != null) model.size = Math.max(model.size ?? 0, details.size);
      model.parameters ??= details?.parameter_size || null;
      model.quantization ??= details?.quantization || null;
      if (online) model.online++;
      if (online && loaded) model.loaded++;
    });
    for (const { model } of node.digest_conflicts) {
      const known = models.get(model);
      if (known) known.conflict = true;
    }
  }
  last = { of: state.nodes, models: [...models.values()].sort((a, b) => compare(a.name, b.name)) };
  return last.models;
}

/** @param {string} name @returns {KnownModel} */
const empty = (name) => ({
  name,
  nodes: [],
  size: null,
  parameters: null,
  quantization: null,
  online: 0,
  loaded: 0,
  conflict: false,
});

/** Models that make vectors have nothing to say to a prompt. Only a guess for what is offered first. */
const EMBEDS = /embed|minilm|bge-|e5-/i;
/** In a line for a shell, a name of any other form would have to be quoted, and may be made to fool a terminal. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/;

/** The model for examples: `kept` while it can be used, else one that is in memory, else any that is online. @param {string | null} kept */
export function exampleModel(kept) {
  const usable = knownModels().filter(({ online, name }) => online > 0 && PLAIN.test(name));
  if (usable.some(({ name }) => name === kept)) return kept;
  const talks = usable.filter(({ name }) => !EMBEDS.test(name));
  const best = talks.find(({ loaded }) => loaded > 0) ?? talks[0] ?? usable[0];
  return best?.name ?? null;
}
