/** The fleet page as somebody reads it: where what stands. */
import type { Locator, Page } from "playwright-core";

/** The row of a node in the table. */
export const rowOf = (page: Page, id: string): Locator =>
  page.locator("#nodes tr.node").filter({ has: page.getByRole("button", { name: id, exact: true }) });

/** Names of the nodes in the table, from top to bottom. */
export const namesInTable = (page: Page): Promise<string[]> => page.locator("#nodes tr.node .name").allInnerTexts();

/** One of the totals with its note. */
export const tile = (page: Page, label: string): Locator => page.locator("#totals .tile", { hasText: label });

/** Opens or closes the details below a node's row. */
export const openerOf = (page: Page, id: string): Locator =>
  page.locator("#nodes").getByRole("button", { name: id, exact: true });
