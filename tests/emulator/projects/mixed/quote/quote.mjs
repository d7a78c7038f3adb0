export const handler = async (event, context) => {
  const { item } = event.pathParameters;
  console.log(`a quote for ${item}`);
  const answer = await fetch(`https://${event.requestContext.domainName}/prices/${item}`);
  if (answer.status === 404) return { statusCode: 404, body: "no such item" };
  const { price } = await answer.json();
  if (price < 0) throw new RangeError(`${item} costs less than nothing`);
  return { item, price, by: context.functionName, from: import.meta.url };
};
