// Shows the OpenAPI document; inline scripts are forbidden by the content security policy.
const place = document.getElementById("documents");
window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
});
