/** How long prompts and answers are: the shapes that others published, and where from. */
import type { Random } from "../lab/seeded_random.ts";

/** Tokens of one request. */
export interface Lengths {
  readonly prompt: number;
  readonly output: number;
}

/**
 * The first 189 requests of Azure's conversation trace of 16 November 2023, 18:15:46 to 18:16:45: context tokens and
 * generated tokens, in their order. github.com/Azure/AzurePublicDataset, `data/AzureLLMInferenceTrace_conv.csv` at commit
 * 790921015d50, CC-BY; described in "Splitwise: Efficient generative LLM inference using phase splitting", ISCA 2024.
 */
const AZURE_CONVERSATION = `
374 44,396 109,879 55,91 16,91 16,381 84,1313 142,388 84,242 14,209 152,394 124,394 59,1315 174,2221 15,389 90,415 106,
120 12,369 74,206 162,1353 142,197 152,181 154,388 54,4085 62,2584 170,203 147,126 194,389 87,2548 116,91 16,4081 74,
181 123,191 217,27 183,203 217,398 81,126 172,209 181,209 181,28 175,437 88,181 104,203 138,200 177,4073 58,91 16,
1087 401,382 64,412 102,194 217,203 217,200 217,64 174,458 123,1352 158,874 404,378 58,91 16,4074 50,389 89,212 183,
1085 394,407 131,396 82,1029 399,962 399,203 217,898 94,181 253,320 18,1119 414,124 157,1313 179,1096 383,400 102,
1057 424,203 162,1314 216,2 93,1065 409,372 60,4094 82,1104 394,1075 415,4088 37,1225 372,1118 426,380 102,1133 385,
42 167,2590 50,1140 377,126 203,431 84,1115 421,206 179,400 91,1123 396,862 379,859 422,890 402,1192 419,899 403,163 224,
181 212,416 88,1163 426,243 14,1041 428,1350 146,1104 396,1127 426,1114 414,1083 396,1313 173,888 395,13 130,874 89,
1065 395,1157 426,1077 390,2903 59,4079 27,1149 411,996 389,990 394,197 183,4107 49,197 217,1378 407,1214 421,1016 375,
1186 398,4076 60,1100 426,218 217,1232 419,975 416,209 217,181 85,1029 388,888 418,1113 375,1035 520,1009 425,869 450,
1183 431,972 395,1097 396,206 183,181 208,1316 200,908 456,1094 422,996 422,420 89,1112 385,1133 396,890 403,833 36,
1093 426,206 211,898 454,1312 180,1129 396,375 67,862 425,167 179,914 414,209 217,982 594,200 161,1313 156,999 416,
1084 397,399 106,1065 594,1036 446,1243 398,1128 384,1000 375,992 56,920 87,1040 388,411 101,900 91,1018 425,4082 44,
395 99`;

const CONVERSATION: readonly Lengths[] = AZURE_CONVERSATION.trim()
  .split(/,\s*/)
  .map((pair) => {
    const [prompt = 0, output = 0] = pair.split(" ").map(Number);
    return { prompt, output };
  });

/** Average tokens of a request for a long text: "Mooncake", arXiv 2407.00079, 4.2: input 7,590, output 182. */
const LONG_TEXT: Lengths = { prompt: 7590, output: 182 };

/** What of these the document says. */
export const LENGTHS_STATED = {
  requests: CONVERSATION.length,
  prompt: mean(CONVERSATION.map(({ prompt }) => prompt)),
  output: mean(CONVERSATION.map(({ output }) => output)),
  longPrompt: LONG_TEXT.prompt,
  longOutput: LONG_TEXT.output,
};

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a request like those of Azure's conversations. */
export function conversationLengths(random: Random): Lengths {
  return random.pick(CONVERSATION);
}

/** Of a request about a long text: both exponential around the averages, since no more of them is published than that. */
export function longTextLengths(random: Random): Lengths {
  return { prompt: whole(exponential(random, LONG_TEXT.prompt)), output: whole(exponential(random, LONG_TEXT.output)) };
}

/** Exponential with this mean. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random.next());
}

/**
 * Gamma distributed with this shape and mean, by Marsaglia and Tsang. BurstGPT models the time between two requests so;
 * its own generator's shape is 0.5 (github.com/HPMLL/BurstGPT, `example/src/burstgpt/config.py` at commit 01131e1bb2d4).
 */
export function gamma(random: Random, shape: number, mean: number): number {
  if (shape < 1) return gamma(random, shape + 1, (mean * (shape + 1)) / shape) * random.next() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const v = (1 + c * normal) ** 3;
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * normal ** 2 + d - d * v + d * Math.log(v)) {
      return (d * v * mean) / shape;
    }
  }
}

function whole(tokens: number): number {
  return Math.max(1, Math.round(tokens));
}
