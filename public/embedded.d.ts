/** The dashboard's files are imported as text (`with { type: "text" }`), which TypeScript cannot tell from their names. */
declare module "*.html" {
  const text: string;
  export default text;
}
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*.js" {
  const text: string;
  export default text;
}
